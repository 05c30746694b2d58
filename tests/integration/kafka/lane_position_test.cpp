// SPDX-License-Identifier: MIT
#include "integration/kafka/foreign_transaction.hpp"
#include "integration/kafka/lane_world.hpp"

#include <doctest/doctest.h>

#include <future>
#include <optional>
#include <string>

namespace {

using namespace resilience;
using namespace resilience::test;

// Writes a record that is no lane's commit.
void write_record(
    const LaneWorld& world, const std::string& key, std::optional<std::string> value
) {
    world.cluster().write(world.position_topic(), 0, key, value);
}

void check_refused(
    LaneWorld& world, LaneSink& sink, Errc error, const std::string& words
) {
    const auto refused = world.take_over(sink);
    REQUIRE(refused.has_error());
    CAPTURE(refused.error().message());
    CHECK(refused.error() == error);
    CHECK(refused.error().detail.find(words) != std::string::npos);
    // What was refused cannot be written over by mistake.
    const auto next = position_after({}, 0);
    CHECK(world.commit(sink, {}, next).error() == Errc::invalid_request);
}

}  // namespace

TEST_CASE("I11: a position that cannot be read is refused, not taken for none") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto key = world.options().outbox + "/0";
    write_record(world, key, encode(position_after({}, 3)).substr(1));
    check_refused(world, *owner, Errc::corrupt_data, "the last position of " + key);
    write_record(world, key, "");
    check_refused(world, *owner, Errc::corrupt_data, "the last position of " + key);
}

TEST_CASE("I11: a position that was deleted is refused, not taken for none") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    REQUIRE(world.commit(*owner, {}, position_after({}, 0)).has_value());
    write_record(world, world.options().outbox + "/0", std::nullopt);
    check_refused(world, *owner, Errc::corrupt_data, "was deleted");
}

TEST_CASE("I1: the last position counts, whatever lies before it or under other keys") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto key = world.options().outbox + "/0";
    write_record(world, key, "broken");
    const auto last = position_after({}, 9);
    write_record(world, key, encode(last));
    write_record(world, key + "0", "broken");
    write_record(world, world.options().outbox + "/1", "broken");
    CHECK(world.take_over(*owner).value() == last);
}

TEST_CASE("I1: a position far from the end of its partition is found") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto last = position_after({}, 0);
    REQUIRE(world.commit(*owner, {}, last).has_value());
    world.cluster().write(world.position_topic(), 0, "other/0", "x", 3000);
    CHECK(world.take_over(*owner).value() == last);
}

TEST_CASE("I1: a take-over reads to the end behind a transaction that is open") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 0);
    REQUIRE(world.commit(*owner, {}, first).has_value());
    ForeignTransaction foreign(world.cluster(), world.position_topic());
    const auto second = position_after(first, 0);
    REQUIRE(world.commit(*owner, {}, second).has_value());

    // Not seen by a reader yet, and not to be missed.
    world.options().take_over_timeout = 1s;
    auto hasty = world.owner();
    const auto late = world.take_over(*hasty);
    REQUIRE(late.has_error());
    CHECK(late.error() == Errc::timed_out);

    world.options().take_over_timeout = 30s;
    auto patient = world.owner();
    auto ended = std::async(std::launch::async, [&] { foreign.commit(); });
    CHECK(world.take_over(*patient).value() == second);
    ended.get();
}

TEST_CASE("a position topic with too few partitions is refused") {
    LaneWorld world;
    world.options().position_topic =
        world.cluster().make_topic("few", 3, {{"cleanup.policy", "compact"}});
    auto owner = world.owner();
    check_refused(
        world,
        *owner,
        Errc::bad_destination,
        world.options().position_topic + " has 3 partitions, and needs 4"
    );
}

TEST_CASE("a position topic from which records are deleted is refused") {
    for (const std::string policy : {"delete", "compact,delete"}) {
        CAPTURE(policy);
        LaneWorld world;
        world.options().position_topic =
            world.cluster().make_topic("deleting", 4, {{"cleanup.policy", policy}});
        auto owner = world.owner();
        check_refused(world, *owner, Errc::bad_destination, "set it to compact");
    }
}

TEST_CASE("a missing position topic is not made by the way") {
    LaneWorld world;
    world.options().create_position_topic = false;
    auto owner = world.owner();
    for (int i = 0; i < 2; ++i) {
        check_refused(world, *owner, Errc::bad_destination, "does not exist");
    }
}
