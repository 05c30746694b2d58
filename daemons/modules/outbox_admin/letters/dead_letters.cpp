// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/dead_letters.hpp>

#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/topic_reader.hpp>
#include <resilience/lane_verifier.hpp>

#include <set>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::kafka::Message;
using resilience::kafka::Record;
using resilience::kafka::TopicReader;
using resilience::kafka::TopicReaderOptions;

}  // namespace

std::string DeadLetter::place() const {
    return record.topic + '/' + std::to_string(record.partition) + '/' +
           std::to_string(record.offset);
}

std::optional<DeadLetter> dead_letter_of(Record record) {
    const auto topic = header_of(record, dead_letter_topic_header);
    const auto event = header_of(record, "ce_id");
    if (!topic || !is_topic_name(*topic) || !event || event->empty()) return std::nullopt;
    DeadLetter letter;
    letter.topic = *topic;
    letter.event = *event;
    letter.reason = header_of(record, dead_letter_reason_header).value_or("");
    letter.is_left_out = header_of(record, dead_letter_content_header).has_value();
    letter.record = std::move(record);
    return letter;
}

Message replay_of(const DeadLetter& letter) {
    Message message{
        .topic = letter.topic, .key = letter.record.key, .value = letter.record.value};
    for (const auto& header : letter.record.headers) {
        const bool is_ours =
            header.first == "lane" || header.first == "lane_seq" ||
            header.first == replayed_header || header.first == dead_letter_topic_header ||
            header.first == dead_letter_reason_header ||
            header.first == dead_letter_seq_header ||
            header.first == parked_since_header || header.first == parked_number_header;
        if (!is_ours) message.headers.push_back(header);
    }
    message.headers.emplace_back(std::string{replayed_header}, letter.place());
    return message;
}

std::size_t size_of(const Record& record) {
    std::size_t bytes = 0;
    if (record.key) bytes += record.key->size();
    if (record.value) bytes += record.value->size();
    for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
    return bytes;
}

net::awaitable<Result<void>> DeadLetters::open() {
    const auto topics = co_await topics_of(tools_);
    if (!topics) co_return topics.error();
    std::set<std::string> letters;
    for (const auto& topic : *topics) {
        auto name = topic + std::string{default_dead_letter_suffix};
        if (is_topic_name(name)) letters.insert(std::move(name));
    }
    if (letters.empty()) co_return Result<void>{};
    TopicReaderOptions options;
    options.topics.assign(letters.begin(), letters.end());
    options.skip_missing = true;
    options.patience = tools_.request.patience;
    if (tools_.request.since.count() > 0) {
        options.since = WallClock::now() - tools_.request.since;
    }
    reader_.emplace(tools_.executor, tools_.kafka, std::move(options));
    auto opened = co_await reader_->open();
    co_return opened;
}

net::awaitable<Result<std::vector<DeadLetter>>> DeadLetters::read() {
    std::vector<DeadLetter> letters;
    while (reader_ && letters.empty()) {
        auto records = co_await reader_->read();
        if (!records) co_return records.error();
        if (records->empty()) break;
        for (auto& record : *records) {
            auto letter = dead_letter_of(std::move(record));
            if (letter) letters.push_back(std::move(*letter));
        }
    }
    co_return letters;
}

std::vector<resilience::kafka::PartitionProgress> DeadLetters::partitions() const {
    if (!reader_) return {};
    return reader_->progress();
}

}  // namespace resilience::modules::outbox_admin
