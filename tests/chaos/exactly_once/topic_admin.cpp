// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/topic_admin.hpp>

#include <e2e/harness/process.hpp>

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
    void operator()(rd_kafka_DeleteTopic_t* p) const { rd_kafka_DeleteTopic_destroy(p); }
    void operator()(rd_kafka_AclBinding_t* p) const { rd_kafka_AclBinding_destroy(p); }
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

rd_kafka_AclOperation_t operation_of(Right right) {
    switch (right) {
        case Right::read:
            return RD_KAFKA_ACL_OPERATION_READ;
        case Right::write:
            return RD_KAFKA_ACL_OPERATION_WRITE;
        case Right::describe_settings:
            return RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS;
    }
    throw std::logic_error("no such right");
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

void lose_topic(const std::string& brokers, const std::string& topic) {
    const auto client = open(brokers);
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    const Owned<rd_kafka_DeleteTopic_t> wanted{rd_kafka_DeleteTopic_new(topic.c_str())};
    rd_kafka_DeleteTopic_t* all[] = {wanted.get()};
    rd_kafka_DeleteTopics(client.get(), all, 1, nullptr, queue.get());
    const auto event = answer(*queue);
    std::size_t count = 0;
    const auto* results = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_topic_result_error(results[0])) {
        throw std::runtime_error("could not delete " + topic);
    }
    // It is gone a moment later.
    const bool is_made = eventually([&] {
        try {
            create_topic(brokers, topic);
            return true;
        } catch (const std::runtime_error&) {
            return false;
        }
    });
    if (!is_made) throw std::runtime_error("could not make " + topic + " again");
}

void give(const std::string& brokers, const std::string& topic, Right right) {
    const auto client = open(brokers);
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    std::array<char, 512> reason{};
    const Owned<rd_kafka_AclBinding_t> wanted{rd_kafka_AclBinding_new(
        RD_KAFKA_RESOURCE_TOPIC,
        topic.c_str(),
        RD_KAFKA_RESOURCE_PATTERN_LITERAL,
        "User:ANONYMOUS",
        "*",
        operation_of(right),
        RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
        reason.data(),
        reason.size()
    )};
    if (!wanted) throw std::runtime_error(reason.data());
    rd_kafka_AclBinding_t* all[] = {wanted.get()};
    rd_kafka_CreateAcls(client.get(), all, 1, nullptr, queue.get());
    const auto event = answer(*queue);
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateAcls_result_acls(
        rd_kafka_event_CreateAcls_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_acl_result_error(results[0])) {
        throw std::runtime_error("could not give a right to " + topic);
    }
}

void take(const std::string& brokers, const std::string& topic, Right right) {
    const auto client = open(brokers);
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    std::array<char, 512> reason{};
    const Owned<rd_kafka_AclBinding_t> which{rd_kafka_AclBindingFilter_new(
        RD_KAFKA_RESOURCE_TOPIC,
        topic.c_str(),
        RD_KAFKA_RESOURCE_PATTERN_LITERAL,
        "User:ANONYMOUS",
        "*",
        operation_of(right),
        RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
        reason.data(),
        reason.size()
    )};
    if (!which) throw std::runtime_error(reason.data());
    rd_kafka_AclBindingFilter_t* all[] = {which.get()};
    rd_kafka_DeleteAcls(client.get(), all, 1, nullptr, queue.get());
    const auto event = answer(*queue);
    std::size_t count = 0;
    const auto* answers = rd_kafka_DeleteAcls_result_responses(
        rd_kafka_event_DeleteAcls_result(event.get()), &count
    );
    std::size_t taken = 0;
    if (count == 1 && !rd_kafka_DeleteAcls_result_response_error(answers[0])) {
        rd_kafka_DeleteAcls_result_response_matching_acls(answers[0], &taken);
    }
    if (taken != 1) throw std::runtime_error("could not take a right to " + topic);
}

}  // namespace resilience::e2e
