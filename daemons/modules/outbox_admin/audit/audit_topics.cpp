// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_topics.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>
#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/kafka/topic_reader.hpp>
#include <resilience/lane_verifier.hpp>

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::kafka::Record;
using resilience::kafka::TopicPartition;
using resilience::kafka::TopicReader;

constexpr std::size_t most_examples = 100;
constexpr std::size_t asked_at_once = 1000;
// How far the clocks of the database and of a relay may be apart.
constexpr std::chrono::minutes clock_margin{10};

// Events that the table is asked for, many at once.
class Suspects {
public:
    Suspects(const Tools& tools, TopicsSeen& seen) : tools_(tools), seen_(seen) {}

    net::awaitable<Result<void>> add(const Record& record, std::string_view event) {
        places_[std::string{event}] = {
            std::string{event}, record.topic, record.partition, record.offset};
        if (places_.size() < asked_at_once) co_return Result<void>{};
        auto asked = co_await ask();
        co_return asked;
    }

    net::awaitable<Result<void>> ask() {
        if (places_.empty()) co_return Result<void>{};
        if (!table_) {
            table_.emplace(tools_);
            const auto opened = co_await table_->open();
            if (!opened) co_return opened.error();
        }
        std::vector<std::string> events;
        for (const auto& [event, place] : places_) events.push_back(event);
        const auto unknown = co_await table_->without_row(events);
        if (!unknown) co_return unknown.error();
        for (const auto& event : *unknown) {
            const auto place = places_.find(event);
            if (place == places_.end()) continue;
            ++seen_.phantoms;
            if (seen_.phantom_examples.size() < most_examples) {
                seen_.phantom_examples.push_back(place->second);
            }
        }
        places_.clear();
        co_return Result<void>{};
    }

private:
    const Tools& tools_;
    TopicsSeen& seen_;
    std::map<std::string, Phantom> places_;
    std::optional<OutboxTable> table_;
};

}  // namespace

net::awaitable<Result<TopicsSeen>> look_at_topics(
    const Tools& tools, const AuditSpan& span, AuditLedger& ledger
) {
    TopicsSeen seen;
    const auto topics = co_await topics_of(tools);
    if (!topics) co_return topics.error();
    if (topics->empty()) co_return seen;
    TopicReader reader{tools.executor, tools.kafka, reader_options(tools, *topics)};
    const auto opened = co_await reader.open();
    if (!opened) co_return opened.error();
    // Partitions whose first record is awaited, which tells since when they keep all.
    std::set<TopicPartition> truncated;
    for (const auto& one : reader.progress()) {
        if (one.low > 0) truncated.insert(one.partition);
    }
    Suspects suspects{tools, seen};
    while (true) {
        const auto records = co_await reader.read();
        if (!records) co_return records.error();
        if (records->empty()) break;
        for (const auto& record : *records) {
            ++seen.records;
            const auto time = record.timestamp.value_or(WallClock::time_point{});
            if (truncated.erase({record.topic, record.partition}) > 0) {
                seen.kept.removed_before(record.topic, time + clock_margin);
            }
            const auto event = header_of(record, "ce_id").value_or("");
            if (event.empty() || ledger.found(event)) continue;
            // A relay of this outbox wrote it, in the time that is looked at.
            const bool is_suspect = !header_of(record, "lane_seq").value_or("").empty() &&
                                    (!span.since || time >= *span.since);
            if (!is_suspect) continue;
            const auto asked = co_await suspects.add(record, event);
            if (!asked) co_return asked.error();
        }
    }
    const auto asked = co_await suspects.ask();
    if (!asked) co_return asked.error();
    // Everything was removed, and may have been written a moment ago.
    for (const auto& one : truncated) {
        seen.kept.removed_before(one.topic, WallClock::now());
    }
    co_return seen;
}

}  // namespace resilience::modules::outbox_admin
