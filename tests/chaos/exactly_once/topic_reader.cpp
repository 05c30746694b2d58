// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/topic_reader.hpp>

#include <e2e/harness/process.hpp>

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>

namespace resilience::e2e {
namespace {

constexpr int patience_ms = 20'000;

struct Destroy {
    void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
    void operator()(rd_kafka_message_t* p) const { rd_kafka_message_destroy(p); }
    void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
    void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
    void operator()(rd_kafka_topic_partition_list_t* p) const {
        rd_kafka_topic_partition_list_destroy(p);
    }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;

void check(rd_kafka_resp_err_t error, const std::string& what) {
    if (error) throw std::runtime_error(what + ": " + rd_kafka_err2str(error));
}

Owned<rd_kafka_t> open(const std::string& brokers, const char* isolation) {
    const std::map<std::string, std::string> settings{
        {"bootstrap.servers", brokers},
        {"group.id", "chaos checker"},
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
        {"isolation.level", isolation},
        {"auto.offset.reset", "earliest"},
        // A question about offsets waits behind the fetch that is under way.
        {"fetch.wait.max.ms", "20"},
        {"log_level", "0"}};
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : settings) {
        if (rd_kafka_conf_set(
                conf, name.c_str(), value.c_str(), reason.data(), reason.size()
            ) != RD_KAFKA_CONF_OK) {
            throw std::runtime_error(reason.data());
        }
    }
    Owned<rd_kafka_t> client{
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason.data(), reason.size())};
    if (!client) throw std::runtime_error(reason.data());
    return client;
}

std::int32_t partitions_of(rd_kafka_t& client, const std::string& topic) {
    const Owned<rd_kafka_topic_t> handle{
        rd_kafka_topic_new(&client, topic.c_str(), nullptr)};
    std::int32_t count = 0;
    auto error = RD_KAFKA_RESP_ERR_NO_ERROR;
    // A broker hears of a new topic a moment after it was made.
    const bool is_known = eventually([&] {
        const rd_kafka_metadata_t* answer = nullptr;
        check(rd_kafka_metadata(&client, 0, handle.get(), &answer, patience_ms), topic);
        const Owned<const rd_kafka_metadata_t> metadata{answer};
        error = metadata->topics[0].err;
        count = metadata->topics[0].partition_cnt;
        return error == RD_KAFKA_RESP_ERR_NO_ERROR;
    });
    if (!is_known) check(error, topic);
    return count;
}

std::string header_of(const rd_kafka_headers_t* headers, const char* name) {
    const void* value = nullptr;
    std::size_t size = 0;
    if (!headers || rd_kafka_header_get_last(headers, name, &value, &size)) return {};
    return {static_cast<const char*>(value), size};
}

std::int64_t number(const std::string& text) {
    return text.empty() ? -1 : std::stoll(text);
}

// The counter is the type of the event, which dead letters keep, too.
Delivered delivery_of(const rd_kafka_message_t& message, const std::string& topic) {
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers)) headers = nullptr;
    return {
        .id = header_of(headers, "ce_id"),
        .key = {static_cast<const char*>(message.key), message.key_len},
        .n = number(header_of(headers, "ce_type")),
        .lane = static_cast<int>(number(header_of(headers, "lane"))),
        .lane_seq = number(header_of(headers, "lane_seq")),
        .topic = topic,
        .partition = message.partition,
        .offset = message.offset};
}

}  // namespace

struct TopicReader::Impl {
    Impl(const std::string& brokers, const std::string& name)
        : topic(name),
          committed(open(brokers, "read_committed")),
          everything(open(brokers, "read_uncommitted")),
          partitions(partitions_of(*committed, topic)) {
        rd_kafka_poll_set_consumer(committed.get());
        const Owned<rd_kafka_topic_partition_list_t> list{
            rd_kafka_topic_partition_list_new(partitions)};
        for (std::int32_t p = 0; p < partitions; ++p) {
            rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
            reached[p] = 0;
        }
        check(rd_kafka_assign(committed.get(), list.get()), "assign");
    }

    std::int64_t end_of(rd_kafka_t& client, std::int32_t partition) const {
        std::int64_t low = 0;
        std::int64_t high = 0;
        rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
        const bool is_answered = eventually(
            [&] {
                error = rd_kafka_query_watermark_offsets(
                    &client, topic.c_str(), partition, &low, &high, patience_ms
                );
                return error == RD_KAFKA_RESP_ERR_NO_ERROR;
            },
            std::chrono::milliseconds{patience_ms}
        );
        if (!is_answered) check(error, "watermarks of " + topic);
        return high;
    }

    // Takes what comes next, if it comes soon. The end of a partition is told by the
    // offset that comes with its mark: control records and aborted ones are never handed
    // out, so that of the last message is not enough.
    // @return The partition that it was about, or -1.
    std::int32_t take(int patience) {
        const Owned<rd_kafka_message_t> message{
            rd_kafka_consumer_poll(committed.get(), patience)};
        if (!message) return -1;
        const auto partition = message->partition;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            reached[partition] = message->offset;
        } else if (message->err) {
            return -1;
        } else {
            reached[partition] = message->offset + 1;
            delivered.push_back(delivery_of(*message, topic));
        }
        return partition;
    }

    std::string topic;
    Owned<rd_kafka_t> committed;
    Owned<rd_kafka_t> everything;
    std::int32_t partitions;
    // Where each partition was read to.
    std::map<std::int32_t, std::int64_t> reached;
    std::vector<Delivered> delivered;
};

TopicReader::TopicReader(const std::string& brokers, const std::string& topic)
    : impl_(std::make_unique<Impl>(brokers, topic)) {}

TopicReader::~TopicReader() = default;
TopicReader::TopicReader(TopicReader&&) noexcept = default;

const std::vector<Delivered>& TopicReader::delivered() const { return impl_->delivered; }

std::size_t TopicReader::read() {
    const auto before = impl_->delivered.size();
    std::set<std::int32_t> behind;
    std::map<std::int32_t, std::int64_t> ends;
    for (std::int32_t p = 0; p < impl_->partitions; ++p) {
        ends[p] = impl_->end_of(*impl_->committed, p);
        if (impl_->reached[p] < ends[p]) behind.insert(p);
    }
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds{patience_ms};
    while (!behind.empty()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error("the end of " + impl_->topic + " does not come");
        }
        const auto partition = impl_->take(100);
        if (partition < 0) continue;
        if (impl_->reached[partition] >= ends[partition]) behind.erase(partition);
    }
    return impl_->delivered.size() - before;
}

bool TopicReader::await(const std::string& id, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    auto next = impl_->delivered.size();
    while (std::chrono::steady_clock::now() < deadline) {
        impl_->take(100);
        for (; next < impl_->delivered.size(); ++next) {
            if (impl_->delivered[next].id == id) return true;
        }
    }
    return false;
}

std::int64_t TopicReader::undecided() const {
    std::int64_t sum = 0;
    for (std::int32_t p = 0; p < impl_->partitions; ++p) {
        const auto stable = impl_->end_of(*impl_->committed, p);
        sum += impl_->end_of(*impl_->everything, p) - stable;
    }
    return sum;
}

}  // namespace resilience::e2e
