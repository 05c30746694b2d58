// SPDX-License-Identifier: MIT
#include <resilience/relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

ClaimedEvent claimed(
    std::int64_t seq, std::int32_t retry_count = 0, std::int32_t max_retries = 3
) {
    return {
        .event =
            {.id = std::to_string(seq),
             .aggregate_type = "user",
             .aggregate_id = "7",
             .event_type = "user.created",
             .max_retries = max_retries},
        .seq = seq,
        .retry_count = retry_count};
}

// A source whose rows and faults the test writes down beforehand.
struct ScriptedSource : ClaimSource {
    std::deque<ClaimedEvent> rows;
    std::deque<Failure> claim_failures;
    std::deque<Failure> settle_failures;
    // What each sweep and each look at the depth fail of.
    std::optional<Failure> sweep_failure;
    std::vector<std::size_t> limits;
    std::vector<Settlement> settled;
    int stale_sweeps = 0;
    std::function<void()> on_empty = [] {};

    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit) override {
        limits.push_back(limit);
        if (!claim_failures.empty()) co_return take(claim_failures);
        std::vector<ClaimedEvent> batch;
        while (!rows.empty() && batch.size() < limit) {
            batch.push_back(std::move(rows.front()));
            rows.pop_front();
        }
        if (batch.empty()) on_empty();
        co_return batch;
    }
    net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) override {
        if (!settle_failures.empty()) co_return take(settle_failures);
        settled.insert(settled.end(), settlements.begin(), settlements.end());
        co_return Result<void>{};
    }
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds) override {
        ++stale_sweeps;
        if (sweep_failure) co_return *sweep_failure;
        co_return std::int64_t{2};
    }
    net::awaitable<Result<Depth>> depth() override {
        if (sweep_failure) co_return *sweep_failure;
        co_return Depth{.events = 9, .oldest = 5ms};
    }
    net::awaitable<Result<Probe>> probe() override { co_return Probe{}; }
    void leave_out(std::vector<std::int64_t>) override {}
    net::awaitable<Result<void>> give_up(std::int64_t, std::string) override {
        co_return Result<void>{};
    }

private:
    static Failure take(std::deque<Failure>& from) {
        auto failure = std::move(from.front());
        from.pop_front();
        return failure;
    }
};

struct ScriptedSink : EventSink {
    std::map<std::int64_t, std::deque<Failure>> failures;
    std::vector<std::int64_t> delivered;
    int calls = 0;

    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override {
        ++calls;
        std::vector<Result<void>> results;
        for (const auto& event : events) {
            auto& script = failures[event.seq];
            if (script.empty()) {
                delivered.push_back(event.seq);
                results.emplace_back();
            } else {
                results.emplace_back(std::move(script.front()));
                script.pop_front();
            }
        }
        co_return results;
    }
};

struct World {
    net::io_context io;
    ScriptedSource source;
    ScriptedSink sink;
    std::optional<Relay> relay;
    // What each look at a paused relay told.
    std::vector<TimePoint> paused_since;

    explicit World(RelayOptions options = {}) {
        options.seed = 1;
        options.pause = {.base = 1ns, .cap = 1ns};
        const auto note = [this](const RelaySnapshot& now) {
            if (now.paused) paused_since.push_back(now.paused_since);
        };
        relay.emplace(io.get_executor(), source, sink, options, note);
        source.on_empty = [this] { relay->stop(); };
    }
    // Runs until the source is empty, which stops the relay.
    RelaySnapshot run() {
        net::co_spawn(io, relay->run(), net::detached);
        io.run();
        return relay->snapshot();
    }
};

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
    CHECK_THROWS_WITH(
        make({.retry = {.base = 0s}}), "RetryOptions::base must be positive"
    );
}
