// SPDX-License-Identifier: MIT
#include "bench/relay/committed_reader.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

namespace resilience::bench {

CommittedReader::CommittedReader(
    const std::string& brokers, const std::string& topic, int partitions, Seen seen
)
    : seen_(std::move(seen)) {
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const std::array<std::pair<const char*, std::string>, 5> settings{
        {{"bootstrap.servers", brokers},
         {"group.id", "bench"},
         {"isolation.level", "read_committed"},
         {"enable.auto.commit", "false"},
         {"auto.offset.reset", "earliest"}}};
    for (const auto& [name, value] : settings) {
        rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size());
    }
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size());
    if (!client_) throw std::runtime_error(reason.data());
    rd_kafka_poll_set_consumer(client_);
    auto* list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i) {
        rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = 0;
    }
    rd_kafka_assign(client_, list);
    rd_kafka_topic_partition_list_destroy(list);
    thread_ = std::thread{[this] { read(); }};
}

CommittedReader::~CommittedReader() {
    stopping_ = true;
    thread_.join();
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
}

void CommittedReader::read() {
    struct Destroy {
        void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
    };
    while (!stopping_) {
        const std::unique_ptr<rd_kafka_message_t, Destroy> message{
            rd_kafka_consumer_poll(client_, 50)};
        if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
        if (seen_) {
            seen_(
                {static_cast<const char*>(message->payload), message->len}, Clock::now()
            );
        }
        ++count_;
    }
}

bool CommittedReader::wait_for(std::size_t count, std::chrono::milliseconds limit) const {
    const auto end = Clock::now() + limit;
    while (count_ < count) {
        if (Clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

}  // namespace resilience::bench
