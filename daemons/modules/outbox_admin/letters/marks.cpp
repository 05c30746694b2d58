// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/marks.hpp>

#include <resilience/kafka/lane_positions.hpp>
#include <resilience/kafka/topic_reader.hpp>

#include <charconv>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::kafka::TopicReader;
using resilience::kafka::TopicReaderOptions;

}  // namespace

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

}  // namespace resilience::modules::outbox_admin
