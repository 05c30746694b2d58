// SPDX-License-Identifier: MIT
// Random histories and crashes at every suspension: what was delivered is what was
// committed, once, in order for each key, numbered without gaps.
#include "unit/outbox/lane_world.hpp"

#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using namespace lane_world;
using testing::SeededRandom;

namespace {

constexpr std::array failures{
    Errc::unavailable,
    Errc::connection_lost,
    Errc::timed_out,
    Errc::timed_out_in_doubt,
    Errc::aborted,
    Errc::protocol_error,
    Errc::invalid_request,
    Errc::internal,
    Errc::closed};

// Writers, a lane with up to two instances, and what befalls them.
struct History {
    SeededRandom random;
    World world;
    std::array<std::unique_ptr<Instance>, 2> instances;
    int faults = 0;
    int kills = 0;

    explicit History(std::uint64_t seed) : random(seed) {
        auto& options = world.options;
        options.chunk_rows = 1 + random.below(4);
        constexpr std::array<std::size_t, 4> bytes{1, 300, 3000, 4'000'000};
        options.chunk_bytes = bytes[random.below(bytes.size())];
        options.read_ahead = random.below(2) == 0;
        const auto one_in = 5 + random.below(30);
        world.script.fault = [this, one_in](Step at) -> std::optional<Failure> {
            if (random.below(one_in) != 0) return std::nullopt;
            ++faults;
            // In doubt is what was sent, and nothing else of a commit can be refused.
            auto error = failures[random.below(failures.size())];
            if (at >= Step::decide) error = Errc::timed_out_in_doubt;
            return fail(error, "by chance");
        };
    }

    void write() {
        auto& table = world.table;
        const auto open = table.open();
        const auto what = random.below(10);
        if (open.empty() || (what < 2 && open.size() < 4)) {
            table.begin();
        } else {
            const auto xid = open[random.below(open.size())];
            if (what < 6) {
                // Each key has its lane.
                const auto key = static_cast<int>(random.below(6));
                table.write(xid, {.lane = key % 2, .key = key, .text = random.below(60)});
            } else if (what < 9) {
                table.commit(xid);
            } else {
                table.roll_back(xid);
            }
        }
    }

    void happen() {
        const auto what = random.below(100);
        auto& instance = instances[random.below(8) == 0];
        if (what < 45) {
            write();
        } else if (what < 50) {
            world.table.flush(random.below(world.table.lsn() + 1));
        } else if (what < 51) {
            world.table.crash();
        } else if (what < 55) {
            kills += instance != nullptr;
            instance.reset();
            world.lane.keeps_open = random.below(2) == 0;
        } else if (!instance || instance->ended) {
            instance.reset();
            instance = std::make_unique<Instance>(
                world.table, world.lane, world.script, world.options
            );
        } else {
            for (auto n = random.below(30); n > 0; --n) instance->time().step();
        }
        world.script.calls.clear();
    }

    void end() {
        world.script.fault = [](Step) { return std::nullopt; };
        for (auto& instance : instances) instance.reset();
        for (const auto xid : world.table.open()) world.table.commit(xid);
        world.table.flush();
        world.drain();
    }
};

}  // namespace

TEST_CASE("I1 to I8: nothing is lost, twice or out of order in any random history") {
    int faults = 0;
    int kills = 0;
    int crashes = 0;
    std::size_t events = 0;
    const auto first = testing::seed();
    for (std::uint64_t seed = first; seed < first + 600; ++seed) {
        CAPTURE(seed);
        History history{seed};
        for (int i = 0; i < 250; ++i) history.happen();
        history.end();
        const auto findings = history.world.findings();
        REQUIRE(findings.lost == 0);
        REQUIRE(findings.twice == 0);
        REQUIRE(findings.phantom == 0);
        REQUIRE(findings.out_of_order == 0);
        REQUIRE(findings.gaps == 0);
        faults += history.faults;
        kills += history.kills;
        crashes += history.world.table.crashes();
        events += history.world.lane.log.size();
    }
    MESSAGE(
        events, " events, ", kills, " kills, ", faults, " faults, ", crashes, " crashes"
    );
    CHECK(events > 5'000);
    CHECK(kills > 1'000);
    CHECK(faults > 1'000);
    CHECK(crashes > 1'000);
}

TEST_CASE("I1, I2: a loop that is struck at any suspension is continued by the next") {
    for (const bool keeps_open : {false, true}) {
        for (const bool read_ahead : {false, true}) {
            World world;
            world.options.chunk_rows = 2;
            world.options.read_ahead = read_ahead;
            std::optional<MemorySource> source;
            std::optional<MemorySink> sink;
            const auto scenario = [&](VirtualTime& time) -> net::awaitable<void> {
                world.table = {};
                world.lane = {};
                world.lane.keeps_open = keeps_open;
                world.table.insert({{.key = 1}, {.key = 2}, {.key = 1}});
                source.emplace(world.table, world.script);
                sink.emplace(world.lane, world.script);
                std::optional<LaneRelay> relay;
                const LaneRelayObserver observer{
                    .committed = [&](const CommittedChunk& chunk) {
                        if (chunk.position.lane_seq == 3) relay->stop();
                    }};
                relay.emplace(
                    time.get_executor(), *source, *sink, world.options, observer
                );
                const auto ended = co_await relay->run();
                CHECK(ended.has_value());
            };
            const auto check = [&](const testing::CancelledRun&) {
                world.table.insert({{.key = 1}, {.key = 2}});
                world.run(50ms);
                CHECK(world.findings().clean());
                world.instance.reset();
            };
            const auto report = testing::cancel_everywhere(scenario, check);
            CHECK(report.unfinished == 0);
            CHECK(report.endless == 0);
            CHECK(report.points > 60);
        }
    }
}
