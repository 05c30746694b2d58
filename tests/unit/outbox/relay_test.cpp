// SPDX-License-Identifier: MIT
#include <resilience/relay.hpp>

#include "unit/outbox/relay_world.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace relay_world;

namespace {

const RetryPolicy policy{{.base = 1s, .jitter = Jitter::none}};

}  // namespace

TEST_CASE("O6: a delivered row becomes SENT") {
    const auto verdict = settle_delivery(claimed(4), {}, policy, 0);
    CHECK(verdict.seq == 4);
    CHECK(verdict.disposition == Disposition::sent);
    CHECK(verdict.error.empty());
}

TEST_CASE("O7: a refused row waits exponentially and is FAILED after its own max_retries"
) {
    const Result<void> refused = fail(Errc::too_large, "2 MiB");
    for (std::int32_t before = 0; before < 3; ++before) {
        const auto verdict = settle_delivery(claimed(1, before), refused, policy, 0);
        CHECK(verdict.disposition == Disposition::retry);
        CHECK(verdict.delay == 1s * (1 << before));
        CHECK(verdict.error.ends_with("2 MiB"));
    }
    CHECK(
        settle_delivery(claimed(1, 3), refused, policy, 0).disposition ==
        Disposition::failed
    );
    CHECK(
        settle_delivery(claimed(1, 0, 0), refused, policy, 0).disposition ==
        Disposition::failed
    );
}

TEST_CASE("O7: a destination that is down counts nothing against the row") {
    for (const auto e :
         {Errc::unavailable,
          Errc::timed_out_in_doubt,
          Errc::connection_lost,
          Errc::storage_full,
          Errc::queue_full,
          Errc::cancelled,
          Errc::cancelled_in_doubt}) {
        const auto verdict = settle_delivery(claimed(1, 3), fail(e), policy, 0);
        CHECK(verdict.disposition == Disposition::released);
        CHECK(verdict.error.empty());
    }
}

TEST_CASE(
    "O5: a row without what every event has is never delivered, and the reason names it"
) {
    CHECK_FALSE(find_defect(claimed(1)));
    const std::pair<const char*, std::string Event::*> columns[] = {
        {"id", &Event::id},
        {"aggregate_type", &Event::aggregate_type},
        {"aggregate_id", &Event::aggregate_id},
        {"event_type", &Event::event_type}};
    for (const auto& [name, column] : columns) {
        World world;
        // All of one key.
        world.source.rows = {claimed(1), claimed(2), claimed(3)};
        (world.source.rows[1].event.*column).clear();
        const auto state = world.run();
        CHECK(world.sink.delivered == std::vector<std::int64_t>{1, 3});
        REQUIRE(world.source.settled.size() == 3);
        const auto& verdict = world.source.settled[0];
        CHECK(verdict.seq == 2);
        CHECK(verdict.disposition == Disposition::failed);
        CHECK(verdict.error.ends_with(std::string{name} + ": is empty"));
        CHECK(state.sent == 2);
        CHECK(state.failed == 1);
        CHECK(state.retried == 0);
    }
}

TEST_CASE("O5: a row that its source cannot read is never delivered") {
    World world;
    world.source.rows = {claimed(1)};
    world.source.rows[0].defect = "created_at: is odd";
    CHECK(world.run().failed == 1);
    CHECK(world.sink.delivered.empty());
    CHECK(world.source.settled.at(0).error.ends_with("created_at: is odd"));
}

TEST_CASE("O5: a batch of defective rows alone does not trouble the sink") {
    World world;
    world.source.rows = {claimed(1)};
    world.source.rows[0].event.event_type.clear();
    const auto state = world.run();
    CHECK(state.failed == 1);
    CHECK(state.pauses == 0);
    CHECK(world.sink.calls == 0);
}

TEST_CASE(
    "M12: the relay delivers every row in batches of RELAY_BATCH_SIZE and counts them"
) {
    World world{{.batch_size = 4}};
    for (int seq = 1; seq <= 10; ++seq) world.source.rows.push_back(claimed(seq));
    const auto state = world.run();
    CHECK(
        world.sink.delivered == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
    );
    CHECK(world.source.settled.size() == 10);
    CHECK(world.source.limits == std::vector<std::size_t>{4, 4, 4, 4});
    CHECK(state.claimed == 10);
    CHECK(state.sent == 10);
    CHECK(state.depth.events == 9);
    CHECK(state.stale_reset == 2);
    CHECK_FALSE(state.paused);
}

TEST_CASE("O7: while the sink is down the relay pauses and probes with one row") {
    World world{{.batch_size = 3}};
    for (int seq = 1; seq <= 6; ++seq) world.source.rows.push_back(claimed(seq));
    world.sink.failures[2] = {fail(Errc::unavailable, "no broker")};
    world.sink.failures[4] = {fail(Errc::unavailable, "no broker")};
    const auto state = world.run();
    // A batch, then a probe that fails, then one that succeeds, then batches again.
    CHECK(world.source.limits == std::vector<std::size_t>{3, 1, 1, 3, 3});
    CHECK(state.pauses == 2);
    CHECK(state.sent == 4);
    CHECK(state.released == 2);
    CHECK(state.failed == 0);
    CHECK(state.retried == 0);
}

TEST_CASE("O7: while the source is down the relay pauses, then goes on") {
    World world;
    world.source.rows.push_back(claimed(1));
    world.source.claim_failures = {
        fail(Errc::unavailable, "db"), fail(Errc::connection_lost)};
    const auto state = world.run();
    CHECK(state.pauses == 2);
    CHECK(state.sent == 1);
    CHECK(state.reason.empty());
    // One stretch, although it tried twice.
    REQUIRE(world.paused_since.size() >= 2);
    CHECK(world.paused_since.front() > TimePoint{});
    CHECK(world.paused_since.back() == world.paused_since.front());
}

TEST_CASE("O7: events are delivered although the table refuses to be swept or counted") {
    World world;
    world.source.rows.push_back(claimed(1));
    world.source.sweep_failure = fail(Errc::invalid_request, "an odd row");
    const auto state = world.run();
    CHECK(state.sent == 1);
    CHECK(state.pauses == 0);
    CHECK(state.refusal.ends_with("an odd row"));
}

TEST_CASE("O7: one verdict that the table refuses does not hold up the others") {
    World world;
    world.source.rows = {claimed(1)};
    // The verdict, and then the row as FAILED.
    world.source.settle_failures = {
        fail(Errc::invalid_request, "no"), fail(Errc::invalid_request, "never")};
    auto state = world.run();
    CHECK(state.sent == 0);
    CHECK(state.skipped == 1);
    CHECK(state.pauses == 1);
    CHECK(state.refusal.ends_with("no"));

    World other;
    other.source.rows = {claimed(1), claimed(2)};
    other.source.settle_failures = {
        fail(Errc::invalid_request), fail(Errc::invalid_request)};
    state = other.run();
    REQUIRE(other.source.settled.size() == 2);
    CHECK(other.source.settled[0].seq == 2);
    CHECK(other.source.settled[0].disposition == Disposition::sent);
    CHECK(other.source.settled[1].seq == 1);
    CHECK(other.source.settled[1].disposition == Disposition::failed);
    CHECK(state.sent == 1);
    CHECK(state.failed == 1);
    CHECK(state.pauses == 0);
}

TEST_CASE(
    "O6: verdicts that the source did not take are kept and nothing is claimed before "
    "them"
) {
    World world{{.batch_size = 1}};
    world.source.rows = {claimed(1), claimed(2)};
    world.source.settle_failures = {fail(Errc::unavailable), fail(Errc::unavailable)};
    const auto state = world.run();
    CHECK(world.sink.delivered == std::vector<std::int64_t>{1, 2});
    CHECK(state.sent == 2);
    CHECK(world.source.limits.size() == 3);
}

TEST_CASE(
    "O6: a relay keeps its verdicts for as long as it takes and never resets the rows "
    "that it holds itself"
) {
    TimePoint now = Clock::now();
    World world{{.batch_size = 2, .stale_after = 16s, .now = [&now] { return now; }}};
    world.source.rows = {claimed(1), claimed(2), claimed(3)};
    for (int i = 0; i < 5; ++i) {
        world.source.settle_failures.push_back(fail(Errc::unavailable, "57P03"));
    }
    world.source.on_settle = [&now] { now += 10s; };
    const auto state = world.run();
    CHECK(world.source.sweeps_while_held == 0);
    CHECK(world.source.held == 0);
    CHECK(world.source.settled.size() == 3);
    CHECK(world.sink.delivered == std::vector<std::int64_t>{1, 2, 3});
    CHECK(state.sent == 3);
    // What others left is looked for again afterwards.
    CHECK(world.source.stale_sweeps == 2);
}

TEST_CASE("wake ends an idle wait at once") {
    World world{{.poll_interval = std::chrono::hours{10}}};
    int looks = 0;
    // The waits grow to hours; without the wake-ups this test would not end.
    world.source.on_empty = [&] {
        if (++looks == 200) world.relay->stop();
        world.relay->wake();
    };
    (void)world.run();
    CHECK(looks == 200);
}

TEST_CASE("a sink that answers too little fails the rest and loses nothing") {
    struct Short : EventSink {
        net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent>)
            override {
            co_return std::vector<Result<void>>(1);
        }
    } sink;
    net::io_context io;
    ScriptedSource source;
    source.rows = {claimed(1), claimed(2)};
    Relay relay(io.get_executor(), source, sink, {.seed = 1});
    std::size_t count = 0;
    net::co_spawn(
        io,
        relay.run_once(),
        [&](std::exception_ptr, Result<std::size_t> done) { count = done.value(); }
    );
    io.run();
    CHECK(count == 2);
    REQUIRE(source.settled.size() == 2);
    CHECK(source.settled[0].disposition == Disposition::sent);
    CHECK(source.settled[1].disposition == Disposition::retry);
}

TEST_CASE("a bad relay option is named") {
    net::io_context io;
    ScriptedSource source;
    ScriptedSink sink;
    const auto make = [&](RelayOptions options) {
        Relay(io.get_executor(), source, sink, options);
    };
    CHECK_THROWS_WITH(
        make({.batch_size = 0}), "RelayOptions::batch_size must be 1 to 10000"
    );
    CHECK_THROWS_WITH(
        make({.poll_interval = 0ms}), "RelayOptions::poll_interval must be at least 1 ms"
    );
    CHECK_THROWS_WITH(
        make({.stale_after = 1ms}), "RelayOptions::stale_after must be at least 1 s"
    );
    CHECK_THROWS_WITH(make({.now = {}}), "RelayOptions::now is empty");
    CHECK_THROWS_WITH(
        make({.retry = {.base = 0s}}), "RetryOptions::base must be positive"
    );
}
