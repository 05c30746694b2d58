// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/dead_letters.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/lane_positions.hpp>
#include <resilience/kafka/topic_reader.hpp>
#include <resilience/lane_verifier.hpp>

#include <charconv>
#include <set>
#include <string_view>
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

std::string mark_topic(const Tools& tools) {
    const resilience::kafka::LanePositions positions{
        tools.executor, tools.kafka, tools.lanes};
    return positions.topic() + std::string{relay::mark_topic_suffix};
}

Mark mark_of(const std::string& outbox, const DeadLetter& letter) {
    return {outbox + "/replayed/" + letter.place(), letter.event};
}

bool is_replayed(
    const Marks& marks, const std::string& outbox, const DeadLetter& letter
) {
    const auto mark = mark_of(outbox, letter);
    const auto found = marks.find(mark.key);
    return found != marks.end() && found->second == mark.value;
}

net::awaitable<Result<Marks>> read_marks(const Tools& tools, std::string_view kind) {
    KnownMarks known;
    const auto read = co_await read_marks(tools, kind, known);
    if (!read) co_return read.error();
    co_return std::move(known.marks);
}

net::awaitable<Result<void>> read_marks(
    const Tools& tools, std::string_view kind, KnownMarks& known
) {
    TopicReaderOptions options;
    options.topics = {mark_topic(tools)};
    options.offsets = known.reached;
    options.skip_missing = true;
    options.patience = tools.request.patience;
    TopicReader reader{tools.executor, tools.kafka, std::move(options)};
    const auto opened = co_await reader.open();
    if (!opened) co_return opened;
    const auto prefix = tools.lanes.outbox + '/' + std::string{kind} + '/';
    auto& marks = known.marks;
    while (true) {
        const auto records = co_await reader.read();
        if (!records) co_return records.error();
        if (records->empty()) break;
        for (const auto& record : *records) {
            if (!record.key || !record.key->starts_with(prefix)) continue;
            if (record.value) {
                marks.insert_or_assign(*record.key, *record.value);
            } else {
                marks.erase(*record.key);
            }
        }
    }
    for (const auto& one : reader.progress()) {
        known.reached.insert_or_assign(one.partition, one.reached);
    }
    co_return Result<void>{};
}

std::vector<Mark> marks_of_removed(
    const Marks& marks,
    const std::string& outbox,
    const std::vector<resilience::kafka::PartitionProgress>& partitions
) {
    std::vector<Mark> removed;
    for (const auto& one : partitions) {
        const auto prefix = outbox + "/replayed/" + one.partition.topic + '/' +
                            std::to_string(one.partition.partition) + '/';
        for (auto mark = marks.lower_bound(prefix);
             mark != marks.end() && mark->first.starts_with(prefix);
             ++mark) {
            const auto text = std::string_view{mark->first}.substr(prefix.size());
            std::int64_t offset = 0;
            const auto* last = text.data() + text.size();
            const auto [end, error] = std::from_chars(text.data(), last, offset);
            if (error != std::errc{} || end != last || offset >= one.low) continue;
            removed.push_back({mark->first, std::nullopt});
        }
    }
    return removed;
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
