// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backing/events.hpp>
#include <modules/relay/lane_beginnings.hpp>
#include <modules/relay/lane_metrics.hpp>
#include <modules/relay/lane_report.hpp>
#include <modules/relay/lanes.hpp>
#include <modules/relay/row_lanes.hpp>
#include <modules/relay/settings.hpp>

#include "backing_settings.hpp"

#include <resilience/postgres/pool.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::modules;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint start{1h};

// A member of two that has lane 0 of two lanes, which ran until it came into `state`.
LaneGroupSnapshot group(LaneState state, std::string reason = {}) {
    LaneGroupSnapshot now;
    now.members = 2;
    now.since = start;
    now.lanes.resize(2);
    for (auto& lane : now.lanes) {
        lane.since = start;
        lane.relay.state = state;
        lane.relay.since = start;
        lane.relay.reason = reason;
    }
    now.lanes[0].owned = true;
    return now;
}

// What a sink tells without being asked for anything.
struct Told final : LaneSink {
    net::awaitable<Result<std::optional<LanePosition>>> take_over() override {
        co_return fail(Errc::internal);
    }
    net::awaitable<Result<void>> commit(std::span<const WindowEvent>, const LanePosition&)
        override {
        co_return fail(Errc::internal);
    }
    std::vector<LaneRefusal> refusals() const override { return {{3, {}}}; }
    TimePoint ready_at() const override { return start + 5ms; }
    std::uint64_t put_offs() const override { return 7; }
};

struct Settings : modules::tests::BackingSettings {
    Settings() { declare(config, relay); }

    std::string parse(const host::Config::Environment& environment) {
        return config.parse({}, environment).text;
    }
    // What is wrong with the mode; empty when nothing is.
    std::string check() {
        try {
            settle_mode(relay, database, kafka);
            return {};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
    }
    relay::RelaySettings relay;
};

// The value of a series; -1 when there is none.
double value(const prometheus::Metrics& metrics, const std::string& series) {
    const auto text = "\n" + metrics.serialize();
    const auto at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

}  // namespace

TEST_CASE("exactly_once says in one sentence which server it misses") {
    {
        Settings settings;
        CHECK(
            settings.parse({{"RELAY_MODE", "exactly_once"}, {"KAFKA_BROKERS", "k:1"}}) ==
            ""
        );
        CHECK(
            settings.check().find("needs PostgreSQL: set DB_HOST") != std::string::npos
        );
    }
    {
        Settings settings;
        CHECK(settings.parse({{"RELAY_MODE", "exactly_once"}, {"DB_HOST", "h"}}) == "");
        CHECK(
            settings.check().find("needs Kafka: set KAFKA_BROKERS") != std::string::npos
        );
    }
    {
        Settings settings;
        CHECK(
            settings.parse(
                {{"RELAY_MODE", "exactly_once"},
                 {"DB_HOST", "h"},
                 {"KAFKA_BROKERS", "k:1"}}
            ) == ""
        );
        CHECK(settings.check() == "");
    }
}

TEST_CASE("from PostgreSQL to Kafka events are delivered exactly once unless told not to"
) {
    const auto mode = [](const host::Config::Environment& environment) {
        Settings settings;
        CHECK(settings.parse(environment) == "");
        CHECK(settings.check() == "");
        return settings.relay.mode;
    };
    CHECK(mode({}) == "claim");
    CHECK(mode({{"DB_HOST", "h"}}) == "claim");
    CHECK(mode({{"KAFKA_BROKERS", "k:1"}}) == "claim");
    CHECK(mode({{"DB_HOST", "h"}, {"KAFKA_BROKERS", "k:1"}}) == "exactly_once");
    CHECK(
        mode({{"DB_HOST", "h"}, {"KAFKA_BROKERS", "k:1"}, {"RELAY_MODE", "claim"}}) ==
        "claim"
    );
}

TEST_CASE("settings of the lanes are refused by their names") {
    for (const auto& [name, text] :
         std::initializer_list<std::pair<const char*, const char*>>{
             {"RELAY_MODE", "twice"},
             {"RELAY_LANES", "0"},
             {"RELAY_LANES", "65"},
             {"RELAY_CHUNK_SIZE", "0"},
             {"RELAY_CHUNK_SIZE", "50001"},
             {"RELAY_POISON", "skip"},
             {"RELAY_POISON_TOPICS", "orders"},
             {"RELAY_POISON_TOPICS", "orders=skip"},
             {"RELAY_POISON_TOPICS", "a b=dlq"},
             {"RELAY_POISON_TOPICS", "a=dlq,a=park_key"},
             {"RELAY_POISON_TOPICS", ",a=dlq"},
             {"RELAY_FIRST", "all"},
             {"RELAY_REPORT", "later"},
             {"RELAY_RETENTION", "a while"},
             {"RELAY_RETENTION", "-1"},
             {"RELAY_RETENTION", "900000h"},
             {"RELAY_TRANSACTION_TIMEOUT", "15s"},
             {"RELAY_TRANSACTION_TIMEOUT", "16m"},
             {"RELAY_POSITION_TOPIC", "a b"},
             {"RELAY_POSITION_REPLICAS", "101"},
             {"RELAY_OUTBOX", "a b"}}) {
        Settings settings;
        const std::string said = settings.parse({{name, text}});
        CHECK_MESSAGE(said.starts_with(std::string{name} + ": "), said);
    }
}

TEST_CASE("a topic of positions leaves room in its name for the topic of marks") {
    const auto said = [](std::size_t size) {
        Settings settings;
        return settings.parse({{"RELAY_POSITION_TOPIC", std::string(size, 'p')}});
    };
    CHECK(said(243) == "");
    for (const std::size_t size : {244U, 249U, 250U}) {
        CHECK_MESSAGE(said(size).starts_with("RELAY_POSITION_TOPIC: "), said(size));
        CHECK(said(size).find("243") != std::string::npos);
    }
}

TEST_CASE("topics have policies of their own for events that they never take") {
    using Policies = relay::TopicPolicies;
    CHECK(relay::read_poison_topics("") == Policies{});
    CHECK(
        relay::read_poison_topics("orders=park_key,mail=dlq,x=halt_lane") ==
        Policies{
            {"orders", PoisonPolicy::park_key},
            {"mail", PoisonPolicy::dlq},
            {"x", PoisonPolicy::halt_lane}}
    );
    for (const char* name : {"halt_lane", "dlq", "park_key"}) {
        Settings settings;
        CHECK(settings.parse({{"RELAY_POISON", name}}) == "");
        CHECK(relay::read_poison(settings.relay.poison).has_value());
    }
}

TEST_CASE("delivered rows stay unless RELAY_RETENTION says for how long") {
    const auto kept = [](const host::Config::Environment& environment) {
        Settings settings;
        CHECK(settings.parse(environment) == "");
        return settings.relay.kept_for();
    };
    CHECK_FALSE(kept({}).has_value());
    CHECK(kept({{"RELAY_RETENTION", "0"}}) == 0ms);
    CHECK(kept({{"RELAY_RETENTION", "168h"}}) == 168h);
    relay::RelaySettings settings;
    CHECK(relay::LaneReport::is_wanted(settings));
    settings.report = false;
    CHECK_FALSE(relay::LaneReport::is_wanted(settings));
    settings.retention = "1h";
    CHECK(relay::LaneReport::is_wanted(settings));
}

TEST_CASE("a report that is paused makes a relay degraded, never down") {
    DeliveryReportSnapshot report;
    CHECK(relay::health_of(report).state == host::HealthState::up);
    report.paused = true;
    report.reason = "no disk";
    const auto found = relay::health_of(report);
    CHECK(found.state == host::HealthState::degraded);
    CHECK(found.cause == "no disk");
}

TEST_CASE("a report is shown by what became of the rows, and by how far it is behind") {
    prometheus::Metrics metrics;
    const relay::ReportMetrics shown{metrics};
    DeliveryReportSnapshot report;
    report.reported = 5;
    report.failed = 4;
    report.removed = 3;
    report.refused = 2;
    report.dropped_dead_letters = 1;
    report.pauses = 6;
    report.recoveries = 7;
    report.failed_rows = 8;
    report.paused = true;
    report.behind_since = start;
    shown.show(report, start + 9s);
    CHECK(value(metrics, R"(relay_report_rows_total{result="sent"})") == 5);
    CHECK(value(metrics, R"(relay_report_rows_total{result="failed"})") == 4);
    CHECK(value(metrics, R"(relay_report_rows_total{result="removed"})") == 3);
    CHECK(value(metrics, R"(relay_report_rows_total{result="refused"})") == 2);
    CHECK(
        value(metrics, R"(relay_report_rows_total{result="dead_letter_dropped"})") == 1
    );
    CHECK(value(metrics, "relay_report_pauses_total") == 6);
    CHECK(value(metrics, "relay_report_recoveries_total") == 7);
    CHECK(value(metrics, "relay_report_paused") == 1);
    CHECK(value(metrics, "relay_report_failed_rows") == 8);
    CHECK(value(metrics, "relay_report_behind_seconds") == 9);
    report.behind_since.reset();
    shown.show(report, start + 9s);
    CHECK(value(metrics, "relay_report_behind_seconds") == 0);
}

TEST_CASE("an outbox has the database's name in Kafka, unless it is given one") {
    relay::RelaySettings settings;
    backing::DatabaseSettings database;
    CHECK(outbox_name(settings, database) == "outbox_db");
    settings.outbox = "orders";
    CHECK(outbox_name(settings, database) == "orders");
    settings.outbox.clear();
    for (const std::string& name : {std::string{"a b"}, std::string(181, 'x')}) {
        database.name = name;
        CHECK_THROWS_WITH_AS(
            outbox_name(settings, database),
            doctest::Contains("RELAY_OUTBOX"),
            std::invalid_argument
        );
    }
}

TEST_CASE("RELAY_LANES is how many lanes events are written to") {
    backing::EventSettings events;
    CHECK(backing::make_outbox(events).options().lanes == 4);
    host::Config config{"test", "Tests."};
    declare(config, events);
    CHECK_FALSE(config.parse({}, {{"RELAY_LANES", "64"}}).exit_code.has_value());
    CHECK(backing::make_outbox(events).options().lanes == 64);
}

TEST_CASE("a lane of its own that does not deliver for 3 s makes a relay not ready") {
    using host::HealthState;
    for (const auto state : {LaneState::halted, LaneState::paused}) {
        const auto now = group(state, "no such topic");
        CHECK(relay::health_of(now, start + 1s).state == HealthState::degraded);
        const auto found = relay::health_of(now, start + 3s);
        CHECK(found.state == HealthState::down);
        CHECK(found.detail.starts_with("lane 0 is "));
        CHECK(found.detail.ends_with(": no such topic"));
        auto others = now;
        others.lanes[0].owned = false;
        CHECK(relay::health_of(others, start + 1h).state == HealthState::up);
    }
    const auto running = group(LaneState::running);
    CHECK(relay::health_of(running, start + 1h).state == HealthState::up);
    auto alone = running;
    alone.members = 0;
    alone.reason = "no server";
    CHECK(relay::health_of(alone, start + 3s).detail.ends_with("no server"));
    CHECK(relay::health_of(alone, start + 3s).state == HealthState::down);
}

TEST_CASE("the metrics of lanes show those that the instance has") {
    prometheus::Metrics metrics;
    const relay::LaneMetrics lanes{metrics, 2};
    auto now = group(LaneState::running);
    now.losses = 3;
    auto& relay = now.lanes[0].relay;
    now.lanes[0].runs = 2;
    relay.events = 10;
    relay.chunks = 4;
    relay.dead_letters = 1;
    relay.position.parked.resize(3);
    relay.caught_up = start + 1s;
    relay.window_since = start + 2s;
    relay.last_chunk = 5;
    relay.last_commit = 250ms;
    relay.last_gate = 125ms;
    relay.last_rest = 3ms;
    relay.fences = 6;
    relay.put_offs = 7;
    lanes.show(now, start + 4s);
    CHECK(value(metrics, "relay_members") == 2);
    CHECK(value(metrics, "relay_membership_losses_total") == 3);
    CHECK(value(metrics, R"(relay_lane_owned{lane="0"})") == 1);
    CHECK(value(metrics, R"(relay_lane_owned{lane="1"})") == 0);
    CHECK(value(metrics, R"(relay_lane_state{lane="0",state="running"})") == 1);
    CHECK(value(metrics, R"(relay_lane_state{lane="0",state="halted"})") == 0);
    CHECK(value(metrics, R"(relay_lane_state{lane="1",state="running"})") == 0);
    CHECK(value(metrics, R"(relay_lane_lag_seconds{lane="0"})") == 3);
    CHECK(value(metrics, R"(relay_lane_lag_seconds{lane="1"})") == 0);
    CHECK(value(metrics, R"(relay_lane_window_age_seconds{lane="0"})") == 2);
    CHECK(value(metrics, R"(relay_lane_chunk_events{lane="0"})") == 5);
    CHECK(value(metrics, R"(relay_lane_commit_seconds{lane="0"})") == 0.25);
    CHECK(value(metrics, R"(relay_lane_gate_seconds{lane="0"})") == 0.125);
    CHECK(value(metrics, R"(relay_lane_rest_seconds{lane="0"})") == 0.003);
    CHECK(value(metrics, R"(relay_lane_runs_total{lane="0"})") == 2);
    CHECK(value(metrics, R"(relay_lane_events_total{lane="0"})") == 10);
    CHECK(value(metrics, R"(relay_lane_dead_letters_total{lane="0"})") == 1);
    CHECK(value(metrics, R"(relay_lane_parked_keys{lane="0"})") == 3);
    CHECK(value(metrics, R"(relay_lane_parked_keys{lane="1"})") == 0);
    CHECK(value(metrics, R"(relay_lane_fences_total{lane="0"})") == 6);
    CHECK(value(metrics, R"(relay_lane_put_offs_total{lane="0"})") == 7);
    // Until it has caught up for the first time, its lag is since it was taken.
    relay.caught_up.reset();
    relay.window_since.reset();
    lanes.show(now, start + 5s);
    CHECK(value(metrics, R"(relay_lane_lag_seconds{lane="0"})") == 5);
    CHECK(value(metrics, R"(relay_lane_window_age_seconds{lane="0"})") == 0);
}

TEST_CASE("a sink whose lane is noted tells what it tells itself") {
    const Told told;
    net::io_context io;
    postgres::Pool pool{io.get_executor(), {}};
    const relay::LaneBeginnings beginnings{io.get_executor(), pool, {}, "untouched"};
    const relay::NotedSink noted{beginnings, 0, std::make_unique<Told>()};
    CHECK(noted.ready_at() == told.ready_at());
    CHECK(noted.put_offs() == told.put_offs());
    REQUIRE(noted.refusals().size() == 1);
    CHECK(noted.refusals().front().event == told.refusals().front().event);
}

TEST_CASE("every lane and state that there can be is a series of its own") {
    prometheus::Metrics metrics;
    const relay::LaneMetrics lanes{metrics, 64};
    CHECK(value(metrics, R"(relay_lane_owned{lane="63"})") == 0);
    CHECK(value(metrics, R"(relay_lane_state{lane="63",state="fenced"})") == 0);
    CHECK(metrics.serialize().find(R"(lane="_OTHER")") == std::string::npos);
}
