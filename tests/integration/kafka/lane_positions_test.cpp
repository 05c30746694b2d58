// SPDX-License-Identifier: MIT
#include "integration/kafka/lane_world.hpp"

#include <resilience/kafka/lane_positions.hpp>

#include <doctest/doctest.h>

#include <optional>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::LanePositions;

Result<std::optional<LanePosition>> last(
    LaneWorld& world, LanePositions& positions, int lane = 0
) {
    return run(world.io(), positions.last(lane));
}

}  // namespace

TEST_CASE("I7: a lane's position is read without fencing its owner") {
    LaneWorld world;
    LanePositions positions{world.io().get_executor(), world.producer, world.options()};
    CHECK(positions.topic() == world.position_topic());
    auto owner = world.owner(1);
    REQUIRE(world.take_over(*owner).has_value());
    CHECK(last(world, positions, 1).value() == std::nullopt);
    const auto one = position_after({}, 0);
    REQUIRE(world.commit(*owner, {}, one).has_value());
    CHECK(last(world, positions, 1).value() == one);
    CHECK(last(world, positions, 0).value() == std::nullopt);
    // The owner has noticed nothing.
    const auto two = position_after(one, 0);
    REQUIRE(world.commit(*owner, {}, two).has_value());
    CHECK(last(world, positions, 1).value() == two);
    CHECK(owner->snapshot().fences == 0);
}

TEST_CASE("whoever looks at positions makes no topic for them") {
    LaneWorld world;
    LanePositions positions{world.io().get_executor(), world.producer, world.options()};
    for (int i = 0; i < 2; ++i) {
        const auto none = last(world, positions);
        REQUIRE_MESSAGE(none.has_value(), none.error().message());
        CHECK(*none == std::nullopt);
    }
    CHECK(last(world, positions, 64).error() == Errc::invalid_request);
    // It is not there for somebody either who must not create it.
    world.options().create_position_topic = false;
    auto owner = world.owner();
    CHECK(world.take_over(*owner).error() == Errc::bad_destination);
}

TEST_CASE("I11: a position that cannot be read is told, not taken for none") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    world.cluster().write(
        world.position_topic(), 0, world.options().outbox + "/0", "broken"
    );
    LanePositions positions{world.io().get_executor(), world.producer, world.options()};
    CHECK(last(world, positions).error() == Errc::corrupt_data);
    // A topic with fewer partitions has no place for the lane.
    CHECK(last(world, positions, 63).error() == Errc::bad_destination);
}
