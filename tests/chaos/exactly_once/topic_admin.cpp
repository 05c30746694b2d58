// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/topic_admin.hpp>

#include <librdkafka/rdkafka.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace resilience::e2e {
namespace {

struct Destroy {
    void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
    void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
    void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
    void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
    void operator()(rd_kafka_ConfigResource_t* p) const {
        rd_kafka_ConfigResource_destroy(p);
    }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;

Owned<rd_kafka_t> open(const std::string& brokers) {
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(
        conf, "bootstrap.servers", brokers.c_str(), reason.data(), reason.size()
    );
    Owned<rd_kafka_t> client{
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size())};
    if (!client) throw std::runtime_error(reason.data());
    return client;
}

Owned<rd_kafka_event_t> answer(rd_kafka_queue_t& queue) {
    Owned<rd_kafka_event_t> event{rd_kafka_queue_poll(&queue, 30'000)};
    if (!event) throw std::runtime_error("no answer of the broker");
    if (rd_kafka_event_error(event.get())) {
        throw std::runtime_error(rd_kafka_event_error_string(event.get()));
    }
    return event;
}

}  // namespace

void create_topic(
    const std::string& brokers,
    const std::string& topic,
    const std::map<std::string, std::string>& settings
) {
    const auto client = open(brokers);
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    std::array<char, 512> reason{};
    const Owned<rd_kafka_NewTopic_t> wanted{
        rd_kafka_NewTopic_new(topic.c_str(), 4, 1, reason.data(), reason.size())};
    if (!wanted) throw std::runtime_error(reason.data());
    for (const auto& [name, value] : settings) {
        rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str());
    }
    rd_kafka_NewTopic_t* all[] = {wanted.get()};
    rd_kafka_CreateTopics(client.get(), all, 1, nullptr, queue.get());
    const auto event = answer(*queue);
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_topic_result_error(results[0])) {
        throw std::runtime_error("could not create " + topic);
    }
}

void change_topic(
    const std::string& brokers,
    const std::string& topic,
    const std::map<std::string, std::string>& settings
) {
    const auto client = open(brokers);
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    const Owned<rd_kafka_ConfigResource_t> wanted{
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str())};
    for (const auto& [name, value] : settings) {
        rd_kafka_ConfigResource_set_config(wanted.get(), name.c_str(), value.c_str());
    }
    rd_kafka_ConfigResource_t* all[] = {wanted.get()};
    rd_kafka_AlterConfigs(client.get(), all, 1, nullptr, queue.get());
    const auto event = answer(*queue);
    std::size_t count = 0;
    const auto* results = rd_kafka_AlterConfigs_result_resources(
        rd_kafka_event_AlterConfigs_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_ConfigResource_error(results[0])) {
        throw std::runtime_error("could not change " + topic);
    }
}

}  // namespace resilience::e2e
