// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/reading/verify.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/kafka/topic_reader.hpp>
#include <resilience/lane_verifier.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;
using resilience::kafka::PartitionProgress;
using resilience::kafka::TopicReader;

// A topic that was named and is not there.
std::optional<std::string> missing(
    const std::vector<std::string>& named, const std::vector<PartitionProgress>& found
) {
    for (const auto& topic : named) {
        const bool is_there = std::ranges::any_of(found, [&](const auto& one) {
            return one.partition.topic == topic;
        });
        if (!is_there) return topic;
    }
    return std::nullopt;
}

std::string place_of(const LaneFinding& one) {
    if (one.fault == LaneFault::gap) {
        return one.lane_seq == one.last
                   ? fmt::format("lane {}: {}", one.lane, one.lane_seq)
                   : fmt::format("lane {}: {} to {}", one.lane, one.lane_seq, one.last);
    }
    auto text = fmt::format("{}[{}] offset {}", one.topic, one.partition, one.offset);
    if (one.lane >= 0 && one.lane_seq > 0) {
        text += fmt::format(", lane {}: {}", one.lane, one.lane_seq);
    }
    if (!one.event.empty()) text += ", event " + one.event;
    return text;
}

json::object json_of(const LaneFinding& one) {
    json::object made{{"fault", name_of(one.fault)}};
    if (one.lane >= 0) made["lane"] = one.lane;
    if (one.lane_seq > 0) made["lane_seq"] = one.lane_seq;
    if (one.fault == LaneFault::gap) {
        made["last"] = one.last;
    } else {
        made["topic"] = one.topic;
        made["partition"] = one.partition;
        made["offset"] = one.offset;
    }
    if (!one.event.empty()) made["event"] = one.event;
    return made;
}

json::object json_of(const LaneVerdict& verdict) {
    json::array lanes;
    for (const auto& [lane, tally] : verdict.lanes) {
        lanes.push_back(json::object{
            {"lane", lane},
            {"records", tally.records},
            {"first", tally.first},
            {"last", tally.last},
            {"missing", tally.missing},
            {"removed", tally.removed}});
    }
    json::array examples;
    for (const auto& one : verdict.examples) examples.push_back(json_of(one));
    return {
        {"records", verdict.records},
        {"dead_letters", verdict.dead_letters},
        {"parked", verdict.parked},
        {"redelivered", verdict.redelivered},
        {"replayed", verdict.replayed},
        {"missing", verdict.missing},
        {"duplicates", verdict.duplicates},
        {"inversions", verdict.inversions},
        {"key_inversions", verdict.key_inversions},
        {"foreign", verdict.foreign},
        {"forgotten", verdict.forgotten},
        {"unjudged", verdict.unjudged},
        {"lanes", std::move(lanes)},
        {"examples", std::move(examples)}};
}

std::string text_of(const LaneVerdict& verdict) {
    std::string text = fmt::format(
        "{} records: {} missing, {} duplicates, {} inversions ({} of one key), {} "
        "foreign\n",
        verdict.records,
        verdict.missing,
        verdict.duplicates,
        verdict.inversions,
        verdict.key_inversions,
        verdict.foreign
    );
    text += fmt::format(
        "{} dead letters, {} replayed, {} parked, {} delivered again because they were "
        "missing\n",
        verdict.dead_letters,
        verdict.replayed,
        verdict.parked,
        verdict.redelivered
    );
    for (const auto& [lane, tally] : verdict.lanes) {
        text += fmt::format(
            "lane {}: {} records, {} to {}, {} missing",
            lane,
            tally.records,
            tally.first,
            tally.last,
            tally.missing
        );
        if (tally.removed > 0) {
            text += fmt::format(", {} perhaps removed by age", tally.removed);
        }
        text += '\n';
    }
    for (const auto& one : verdict.examples) {
        text += fmt::format("{}: {}\n", name_of(one.fault), place_of(one));
    }
    if (verdict.forgotten > 0) {
        text += fmt::format(
            "{} identities were forgotten: an event that came twice may not be told\n",
            verdict.forgotten
        );
    }
    if (verdict.unjudged > 0) {
        text += fmt::format(
            "{} records found no room: nothing is told of missing ones\n",
            verdict.unjudged
        );
    }
    return text;
}

}  // namespace

void declare_verify(host::Config& config, Request& request) {
    declare_topics(config, request);
    config.flag(
        "--allow-foreign",
        request.allow_foreign,
        "Records that no lane wrote are nothing wrong"
    );
}

net::awaitable<Result<Report>> verify(const Tools& tools) {
    const auto& request = tools.request;
    // First: what these count as delivered is then in the topics.
    const auto positions = co_await read_positions(tools);
    if (!positions) co_return positions.error();
    const auto topics = co_await topics_of(tools);
    if (!topics) co_return topics.error();
    LaneVerifier verifier{{.from_first = request.since.count() == 0}};
    std::string notes;
    for (std::size_t lane = 0; lane < positions->size(); ++lane) {
        const auto& found = (*positions)[lane];
        if (!found) co_return found.error();
        // Of a part of the records a position tells nothing, unless some are there.
        if (*found && request.since.count() == 0) {
            verifier.expect(static_cast<int>(lane), (*found)->lane_seq);
        }
    }
    if (!topics->empty()) {
        auto options = reader_options(tools, *topics);
        if (request.since.count() > 0) options.since = WallClock::now() - request.since;
        TopicReader reader{tools.executor, tools.kafka, std::move(options)};
        const auto opened = co_await reader.open();
        if (!opened) co_return opened.error();
        const auto absent = missing(*topics, reader.progress());
        if (absent && !request.topics.empty()) {
            co_return fail(Errc::bad_destination, "there is no topic " + *absent);
        }
        if (absent) notes += "there is no topic " + *absent + '\n';
        for (const auto& one : reader.progress()) {
            if (one.low > 0 && one.first == one.low) {
                verifier.truncated(one.partition.topic, one.partition.partition);
            }
        }
        while (true) {
            const auto records = co_await reader.read();
            if (!records) co_return records.error();
            if (records->empty()) break;
            for (const auto& record : *records) {
                verifier.add(
                    {.topic = record.topic,
                     .partition = record.partition,
                     .offset = record.offset,
                     .key =
                         record.key ? std::string_view{*record.key} : std::string_view{},
                     .headers = record.headers}
                );
            }
        }
    }
    auto verdict = verifier.verdict();
    Report report;
    report.json = json_of(verdict);
    report.text = text_of(verdict) + notes;
    if (request.allow_foreign) verdict.foreign = 0;
    if (!verdict.is_good()) report.code = something_wrong;
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
