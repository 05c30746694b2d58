// SPDX-License-Identifier: MIT
#include "integration/kafka/cluster.hpp"

#include <librdkafka/rdkafka.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <thread>

namespace resilience::test {
namespace {

struct Destroy {
    void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
    void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
    void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
    void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
    void operator()(rd_kafka_DeleteTopic_t* p) const { rd_kafka_DeleteTopic_destroy(p); }
    void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
    void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
    void operator()(rd_kafka_topic_partition_list_t* p) const {
        rd_kafka_topic_partition_list_destroy(p);
    }
    void operator()(FILE* p) const { ::pclose(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;

using Settings = std::map<std::string, std::string>;

Owned<rd_kafka_t> make_client(rd_kafka_type_t type, const Settings& settings) {
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : settings) {
        if (rd_kafka_conf_set(
                conf, name.c_str(), value.c_str(), reason.data(), reason.size()
            ) != RD_KAFKA_CONF_OK) {
            throw std::runtime_error(reason.data());
        }
    }
    Owned<rd_kafka_t> client{rd_kafka_new(type, conf, reason.data(), reason.size())};
    if (!client) throw std::runtime_error(reason.data());
    return client;
}

std::int32_t partitions_of(rd_kafka_t& client, const std::string& topic) {
    rd_kafka_topic_t* handle = rd_kafka_topic_new(&client, topic.c_str(), nullptr);
    const rd_kafka_metadata_t* answer = nullptr;
    const auto error = rd_kafka_metadata(&client, 0, handle, &answer, 10'000);
    rd_kafka_topic_destroy(handle);
    if (error) throw std::runtime_error(rd_kafka_err2str(error));
    const Owned<const rd_kafka_metadata_t> metadata{answer};
    return metadata->topics[0].partition_cnt;
}

Consumed read(const rd_kafka_message_t& message) {
    Consumed consumed{
        .key = {static_cast<const char*>(message.key), message.key_len},
        .value = {static_cast<const char*>(message.payload), message.len},
        .partition = message.partition,
        .offset = message.offset};
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0;
             !rd_kafka_header_get_all(headers, i, &name, &value, &size);
             ++i) {
            consumed.headers[name] = {static_cast<const char*>(value), size};
        }
    }
    return consumed;
}

}  // namespace

std::string unique_name(std::string_view purpose) {
    static std::atomic<int> count{0};
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    return "test-" + std::string{purpose} + '-' + std::to_string(now) + '-' +
           std::to_string(::getpid()) + '-' + std::to_string(++count);
}

std::string noise(std::size_t size) {
    static std::mt19937_64 random{7};
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>('!' + random() % 90);
    return text;
}

Cluster Cluster::of_environment() {
    const char* brokers = std::getenv("KAFKA_BROKERS");
    if (!brokers || !*brokers) {
        throw std::runtime_error(
            "KAFKA_BROKERS is not set: eval \"$(scripts/services env)\""
        );
    }
    return Cluster{brokers};
}

void Cluster::await_ready() const {
    const auto client = make_client(
        RD_KAFKA_PRODUCER,
        {{"bootstrap.servers", brokers_},
         {"log_level", "0"},
         {"reconnect.backoff.max.ms", "200"}}
    );
    const auto deadline = Clock::now() + 60s;
    while (Clock::now() < deadline) {
        const rd_kafka_metadata_t* answer = nullptr;
        if (rd_kafka_metadata(client.get(), 0, nullptr, &answer, 1000)) continue;
        const Owned<const rd_kafka_metadata_t> metadata{answer};
        if (metadata->broker_cnt > 0) return;
    }
    throw std::runtime_error("no broker answers at " + brokers_);
}

std::string Cluster::make_topic(
    std::string_view purpose, int partitions, const Settings& settings
) const {
    auto name = unique_name(purpose);
    create(name, partitions, settings);
    return name;
}

void Cluster::create(const std::string& name, int partitions, const Settings& settings)
    const {
    const auto client = make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers_}});
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    std::array<char, 512> reason{};
    const Owned<rd_kafka_NewTopic_t> topic{
        rd_kafka_NewTopic_new(name.c_str(), partitions, 1, reason.data(), reason.size())};
    if (!topic) throw std::runtime_error(reason.data());
    for (const auto& [key, value] : settings) {
        rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
    }
    rd_kafka_NewTopic_t* topics[] = {topic.get()};
    rd_kafka_CreateTopics(client.get(), topics, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 20'000)};
    if (!event) throw std::runtime_error("no answer to the creation of " + name);
    if (rd_kafka_event_error(event.get())) {
        throw std::runtime_error(rd_kafka_event_error_string(event.get()));
    }
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_topic_result_error(results[0])) {
        throw std::runtime_error("could not create " + name);
    }
}

void Cluster::remove(const std::string& name) const {
    const auto client = make_client(
        RD_KAFKA_PRODUCER,
        {{"bootstrap.servers", brokers_}, {"allow.auto.create.topics", "false"}}
    );
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(client.get())};
    const Owned<rd_kafka_DeleteTopic_t> topic{rd_kafka_DeleteTopic_new(name.c_str())};
    rd_kafka_DeleteTopic_t* topics[] = {topic.get()};
    rd_kafka_DeleteTopics(client.get(), topics, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 20'000)};
    if (!event || rd_kafka_event_error(event.get())) {
        throw std::runtime_error("could not delete " + name);
    }
    const auto deadline = Clock::now() + 20s;
    while (Clock::now() < deadline) {
        const rd_kafka_metadata_t* answer = nullptr;
        if (rd_kafka_metadata(client.get(), 1, nullptr, &answer, 5000)) continue;
        const Owned<const rd_kafka_metadata_t> metadata{answer};
        const std::span all(
            metadata->topics, static_cast<std::size_t>(metadata->topic_cnt)
        );
        if (std::ranges::none_of(all, [&](const auto& one) { return one.topic == name; }))
            return;
        std::this_thread::sleep_for(50ms);
    }
    throw std::runtime_error(name + " is still there");
}

std::vector<Consumed> Cluster::consume(const std::string& topic, std::size_t expected)
    const {
    const auto client = make_client(
        RD_KAFKA_CONSUMER,
        {{"bootstrap.servers", brokers_},
         {"group.id", unique_name("reader")},
         {"enable.auto.commit", "false"},
         {"enable.partition.eof", "true"},
         {"auto.offset.reset", "earliest"}}
    );
    rd_kafka_poll_set_consumer(client.get());
    const std::int32_t count = partitions_of(*client, topic);
    const Owned<rd_kafka_topic_partition_list_t> list{
        rd_kafka_topic_partition_list_new(count)};
    for (std::int32_t p = 0; p < count; ++p) {
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    }
    if (rd_kafka_assign(client.get(), list.get())) throw std::runtime_error("assign");

    std::vector<Consumed> consumed;
    std::set<std::int32_t> ended;
    const auto deadline = Clock::now() + 15s;
    while (Clock::now() < deadline) {
        if (consumed.size() >= expected && static_cast<int>(ended.size()) == count) break;
        const Owned<rd_kafka_message_t> message{
            rd_kafka_consumer_poll(client.get(), 100)};
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ended.insert(message->partition);
        } else if (!message->err) {
            ended.erase(message->partition);
            consumed.push_back(read(*message));
        }
    }
    rd_kafka_consumer_close(client.get());
    std::ranges::stable_sort(consumed, {}, [](const Consumed& one) {
        return std::pair{one.partition, one.offset};
    });
    return consumed;
}

void Cluster::write(
    const std::string& topic,
    std::int32_t partition,
    const std::string& key,
    const std::optional<std::string>& value,
    int count
) const {
    const auto client = make_client(
        RD_KAFKA_PRODUCER,
        {{"bootstrap.servers", brokers_}, {"enable.idempotence", "true"}}
    );
    rd_kafka_topic_t* handle = rd_kafka_topic_new(client.get(), topic.c_str(), nullptr);
    int refused = 0;
    for (int i = 0; i < count; ++i) {
        refused += rd_kafka_produce(
            handle,
            partition,
            RD_KAFKA_MSG_F_COPY,
            value ? const_cast<char*>(value->data()) : nullptr,
            value ? value->size() : 0,
            key.data(),
            key.size(),
            nullptr
        );
    }
    const auto unsent = rd_kafka_flush(client.get(), 20'000);
    rd_kafka_topic_destroy(handle);
    if (refused != 0 || unsent) throw std::runtime_error("could not write to " + topic);
}

std::vector<std::string> Cluster::kcat(
    const std::string& topic, const std::string& format
) const {
    const std::string command = "kcat -C -q -e -o beginning -b " + brokers_ + " -t " +
                                topic + " -f '" + format + "\\n'";
    const Owned<FILE> pipe{::popen(command.c_str(), "r")};
    if (!pipe) throw std::runtime_error("kcat could not be started");
    std::string text;
    std::array<char, 4096> part{};
    for (std::size_t n; (n = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;) {
        text.append(part.data(), n);
    }
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

std::vector<std::string> values_of(
    const std::vector<Consumed>& consumed, const std::string& key
) {
    std::vector<std::string> values;
    for (const auto& one : consumed) {
        if (one.key == key) values.push_back(one.value);
    }
    return values;
}

std::vector<std::string> first_occurrences(const std::vector<std::string>& values) {
    std::vector<std::string> firsts;
    std::set<std::string> seen;
    for (const auto& value : values) {
        if (seen.insert(value).second) firsts.push_back(value);
    }
    return firsts;
}

}  // namespace resilience::test
