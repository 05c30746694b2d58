// SPDX-License-Identifier: MIT
#include <e2e/delete_records.hpp>

#include <librdkafka/rdkafka.h>

#include <memory>
#include <stdexcept>

namespace resilience::e2e {
namespace {

template <auto function>
struct Free {
    template <class T>
    void operator()(T* one) const {
        function(one);
    }
};

template <class T, auto function>
using Owned = std::unique_ptr<T, Free<function>>;

}  // namespace

void delete_records(const std::string& brokers, const std::string& topic) {
    char why[256] = "";
    auto* const settings = rd_kafka_conf_new();
    (void
    )rd_kafka_conf_set(settings, "bootstrap.servers", brokers.c_str(), why, sizeof why);
    const Owned<rd_kafka_t, rd_kafka_destroy> client{
        rd_kafka_new(RD_KAFKA_PRODUCER, settings, why, sizeof why)};
    if (!client) throw std::runtime_error(why);
    const Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>
        ends{rd_kafka_topic_partition_list_new(1)};
    rd_kafka_topic_partition_list_add(ends.get(), topic.c_str(), 0)->offset =
        RD_KAFKA_OFFSET_END;
    const Owned<rd_kafka_DeleteRecords_t, rd_kafka_DeleteRecords_destroy> request{
        rd_kafka_DeleteRecords_new(ends.get())};
    const Owned<rd_kafka_queue_t, rd_kafka_queue_destroy> queue{
        rd_kafka_queue_new(client.get())};
    auto* one = request.get();
    rd_kafka_DeleteRecords(client.get(), &one, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t, rd_kafka_event_destroy> answer{
        rd_kafka_queue_poll(queue.get(), 30'000)};
    if (!answer) throw std::runtime_error("the broker does not answer");
    if (rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        throw std::runtime_error(rd_kafka_event_error_string(answer.get()));
    }
    const auto* const done = rd_kafka_DeleteRecords_result_offsets(
        rd_kafka_event_DeleteRecords_result(answer.get())
    );
    if (done->cnt != 1 || done->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        throw std::runtime_error("the records of " + topic + " are still there");
    }
}

}  // namespace resilience::e2e
