// SPDX-License-Identifier: MIT
// An owner that stands still while another takes its lanes over adds nothing when it goes
// on.
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

std::map<int, std::int64_t> last_of_lanes(const TopicReader& reader) {
    std::map<int, std::int64_t> last;
    for (const auto& one : reader.delivered()) {
        last[one.lane] = std::max(last[one.lane], one.lane_seq);
    }
    return last;
}

// A stopped process keeps its sessions; the server forgets them as it would those of a
// machine that is gone.
void end_memberships(const World& world) {
    Session(world.conninfo())
        .run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'relay lanes' AND datname = current_database()"
        );
}

bool every_lane_goes_on(TopicReader& reader, int lanes) {
    reader.read();
    const auto before = last_of_lanes(reader);
    return eventually([&] {
        reader.read();
        auto now = last_of_lanes(reader);
        for (int lane = 0; lane < lanes; ++lane) {
            const auto then = before.find(lane);
            if (now[lane] < (then == before.end() ? 0 : then->second) + 3) return false;
        }
        return true;
    });
}

struct Halt {
    std::string_view place;
    /// Whether it is in the middle of a chunk, which must not become part of the topic.
    bool has_chunk;
};

constexpr Halt halts[] = {
    {"after read", true},
    {"after begin", true},
    {"before position", true},
    {"before commit", true},
    {"commit sent", false},
    {"before advance", false}};

}  // namespace

TEST_CASE("I7: an owner that was stopped past a take-over is fenced, and adds nothing") {
    const int rounds = number_from("CHAOS_ZOMBIES", is_long_form() ? 10 : 1);
    const auto seed = chosen_seed();
    MESSAGE("RESILIENCE_TEST_SEED=" << seed);
    const Trial trial("SIGSTOP past a take-over");
    const World world;
    TopicReader reader(world.brokers(), world.topic());
    Writers writers(world.conninfo(), world.writers());
    Instance survivor(world, "survivor", {}, LANE_PROGRAM);
    int stops = 0;
    int fenced = 0;
    for (int round = 0; round < rounds; ++round) {
        for (const auto& halt : halts) {
            CAPTURE(halt.place);
            const auto name = "zombie" + std::to_string(++stops);
            Instance zombie(
                world,
                name,
                {{"CHAOS_FAILPOINT", std::string{halt.place}},
                 {"CHAOS_FAILPOINT_NTH", std::to_string(3 + round)},
                 {"CHAOS_FAILPOINT_SIGNAL", "STOP"}},
                LANE_PROGRAM
            );
            REQUIRE(eventually([&] { return zombie.process().stopped(); }));
            end_memberships(world);
            CHECK(every_lane_goes_on(reader, 4));
            zombie.process().signal(SIGCONT);
            if (halt.has_chunk) {
                // 5 is LaneState::fenced.
                const bool is_fenced = eventually([&] {
                    return zombie.log().find(" 5: ") != std::string::npos;
                });
                CHECK_MESSAGE(is_fenced, zombie.log());
                fenced += is_fenced;
            }
            CHECK_MESSAGE(zombie.end(), zombie.log());
        }
    }
    writers.stop();
    CHECK(world.drained(reader));
    CHECK(survivor.end());
    const auto verdict = world.verdict(reader);
    const auto done =
        "stops " + std::to_string(stops) + ", fenced " + std::to_string(fenced);
    MESSAGE(trial.figures(done, verdict));
    CHECK(verdict.events >= writers.acknowledged());
    CHECK(verdict.is_clean());
}
