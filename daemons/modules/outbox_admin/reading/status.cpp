// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/reading/status.hpp>

#include <host/config.hpp>

#include <resilience/postgres/lane_survey.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;
using resilience::postgres::LaneOwner;
using resilience::postgres::LaneSurvey;

std::string name_of(const LaneOwner* owner) {
    if (!owner) return "nobody";
    return fmt::format(
        "session {}{}{}",
        owner->process,
        owner->address.empty() ? "" : " from ",
        owner->address
    );
}

json::object json_of(const LanePosition& position, std::size_t most_parked) {
    json::array parked;
    for (const auto& one :
         std::span{position.parked}.first(std::min(position.parked.size(), most_parked)
         )) {
        parked.push_back(json::object{
            {"topic", one.topic},
            {"key", one.key},
            {"since", one.since},
            {"events", one.events}});
    }
    return {
        {"source", outbox_admin::json_of(position.source)},
        {"seen", position.seen},
        {"window", position.window},
        {"last_seq", position.last_seq},
        {"batch_seq", position.batch_seq},
        {"lane_seq", position.lane_seq},
        {"map_version", position.map_version},
        {"parked_keys", position.parked.size()},
        {"parked", std::move(parked)}};
}

std::string text_of(const std::vector<ParkedKey>& parked, std::size_t most) {
    if (parked.empty()) return {};
    auto text = fmt::format("  {} parked keys\n", parked.size());
    for (const auto& one : std::span{parked}.first(std::min(parked.size(), most))) {
        text += fmt::format(
            "  parked: key {} of topic {}, {} events since number {}\n",
            one.key,
            one.topic,
            one.events,
            one.since
        );
    }
    return text;
}

// One lane of the report; `wrong` takes what somebody should look at.
void show_lane(
    Report& report,
    int lane,
    std::size_t most_parked,
    const LaneSurvey& survey,
    const FoundPosition& found,
    json::array& lanes,
    std::vector<std::string>& wrong
) {
    json::object shown{{"lane", lane}};
    const auto owner = std::ranges::find(survey.owners, lane, &LaneOwner::lane);
    const bool is_owned = owner != survey.owners.end();
    const auto name = fmt::format("lane {}", lane);
    if (is_owned) {
        shown["owner"] =
            json::object{{"process", owner->process}, {"address", owner->address}};
    } else {
        shown["owner"] = nullptr;
        wrong.push_back(name + " has no owner");
    }
    report.text += name + ": " + name_of(is_owned ? &*owner : nullptr);
    if (!found) {
        shown["error"] = found.error().message();
        wrong.push_back(name + ": " + found.error().message());
        report.text += ", position unreadable\n";
    } else if (!*found) {
        shown["position"] = nullptr;
        report.text += ", no position yet\n";
    } else {
        const auto& position = **found;
        shown["position"] = json_of(position, most_parked);
        report.text += fmt::format(
            ", {} events in {} chunks, seen {}, window {} up to row {}, map version {}\n",
            position.lane_seq,
            position.batch_seq,
            position.seen.empty() ? "nothing" : position.seen,
            position.window.empty() ? "none" : position.window,
            position.last_seq,
            position.map_version
        );
        report.text += text_of(position.parked, most_parked);
        if (!(position.source == survey.source)) {
            wrong.push_back(
                name + ": its position speaks of another source, " +
                outbox_admin::name_of(position.source)
            );
        }
    }
    lanes.push_back(std::move(shown));
}

void conclude(Report& report, const std::vector<std::string>& wrong) {
    json::array told;
    for (const auto& one : wrong) {
        told.push_back(json::string{one});
        report.text += one + '\n';
    }
    report.json["wrong"] = std::move(told);
    if (!wrong.empty()) report.code = something_wrong;
}

}  // namespace

void declare_status(host::Config& config, Request& request) {
    config.integer(
        "--limit",
        request.limit,
        1,
        10'000,
        "Parked keys of a lane that are listed at most"
    );
}

net::awaitable<Result<Report>> status(const Tools& tools) {
    auto connection = co_await connect(tools);
    if (!connection) co_return connection.error();
    const auto survey = co_await resilience::postgres::survey_lanes(*connection);
    if (!survey) co_return survey.error();
    const auto positions = co_await read_positions(tools);
    if (!positions) co_return positions.error();
    Report report;
    std::vector<std::string> wrong;
    report.json = {
        {"outbox", tools.lanes.outbox},
        {"source", json_of(survey->source)},
        {"snapshot", survey->snapshot},
        {"members", survey->members}};
    report.text = fmt::format(
        "outbox {}, source {}, snapshot {}\n{} instances share {} lanes\n",
        tools.lanes.outbox,
        outbox_admin::name_of(survey->source),
        survey->snapshot,
        survey->members,
        survey->lanes.value_or(tools.lanes.lanes)
    );
    if (survey->lanes && *survey->lanes != tools.lanes.lanes) {
        wrong.push_back(fmt::format(
            "the instances have {} lanes, RELAY_LANES is {}",
            *survey->lanes,
            tools.lanes.lanes
        ));
    }
    json::array lanes;
    const auto most_parked = static_cast<std::size_t>(tools.request.limit);
    for (std::size_t lane = 0; lane < positions->size(); ++lane) {
        const int number = static_cast<int>(lane);
        show_lane(report, number, most_parked, *survey, (*positions)[lane], lanes, wrong);
    }
    report.json["lanes"] = std::move(lanes);
    conclude(report, wrong);
    co_return report;
}

void declare_lag(host::Config& config, Request& request) {
    config.duration(
        "--over",
        request.over,
        std::chrono::seconds{1},
        std::chrono::milliseconds{0},
        std::chrono::hours{24 * 365},
        "Exit code 1 when an event waits longer than this; 0: never"
    );
}

net::awaitable<Result<Report>> lag(const Tools& tools) {
    using std::chrono::duration;
    const auto positions = co_await read_positions(tools);
    if (!positions) co_return positions.error();
    auto connection = co_await connect(tools);
    if (!connection) co_return connection.error();
    Report report;
    std::vector<std::string> wrong;
    json::array lanes;
    for (std::size_t lane = 0; lane < positions->size(); ++lane) {
        const int number = static_cast<int>(lane);
        const auto& found = (*positions)[lane];
        const auto name = fmt::format("lane {}", number);
        json::object shown{{"lane", number}};
        if (!found) {
            shown["error"] = found.error().message();
            wrong.push_back(name + ": " + found.error().message());
            lanes.push_back(std::move(shown));
            continue;
        }
        const auto backlog =
            co_await resilience::postgres::lane_backlog(*connection, number, *found);
        if (!backlog && backlog.error() != Errc::history_changed) {
            co_return backlog.error();
        }
        if (!backlog) {
            shown["error"] = backlog.error().message();
            wrong.push_back(name + ": " + backlog.error().message());
        } else {
            const double age =
                backlog->age ? duration<double>(*backlog->age).count() : 0.0;
            shown["events"] = backlog->events;
            shown["more"] = backlog->more;
            shown["seconds"] = age;
            report.text += fmt::format(
                "{}: {}{} events, the oldest {:.3f} s old\n",
                name,
                backlog->more ? "more than " : "",
                backlog->events,
                age
            );
            const bool over = tools.request.over.count() > 0 && backlog->age &&
                              *backlog->age > tools.request.over;
            if (over) wrong.push_back(name + ": events wait too long");
        }
        lanes.push_back(std::move(shown));
    }
    report.json["lanes"] = std::move(lanes);
    conclude(report, wrong);
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
