// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_LANE_SINK_HPP
#define RESILIENCE_TESTS_CONTRACTS_LANE_SINK_HPP

#include "contracts/lane_sink_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace contract {

/// What is delivered, and what is read back: I1, I2, order.
inline void check_lane_commits(const MakeLane& make) {
    const auto fixture = make();
    Lane lane{*fixture};
    const auto owner = fixture->make_owner();
    CHECK(lane.take_over(*owner) == std::nullopt);

    SUBCASE("I1: what was committed is read back by its owner and by the next one") {
        const auto chunk = lane.chunk(3);
        const auto next = lane.after({}, 3);
        REQUIRE(lane.commits(*owner, chunk, next));
        CHECK(lane.take_over(*owner) == next);
        const auto other = fixture->make_owner();
        CHECK(lane.take_over(*other) == next);
        CHECK(fixture->arrived(3) == ids_of(chunk));
    }

    SUBCASE("I1: a position alone is committed") {
        const auto next = lane.after({}, 0);
        REQUIRE(lane.commits(*owner, {}, next));
        CHECK(lane.take_over(*owner) == next);
        CHECK(fixture->arrived(0).empty());
    }

    SUBCASE("I2: commits follow one another, and each event arrives once and in order") {
        std::vector<std::string> all;
        resilience::LanePosition last;
        for (int i = 0; i < 5; ++i) {
            const auto chunk = lane.chunk(20);
            const auto next = lane.after(last, chunk.size());
            REQUIRE(lane.commits(*owner, chunk, next));
            std::ranges::copy(ids_of(chunk), std::back_inserter(all));
            last = next;
        }
        CHECK(fixture->arrived(all.size()) == all);
        CHECK(lane.take_over(*owner) == last);
    }

    SUBCASE("I2: a chunk with an event that is refused is not delivered at all") {
        const auto first = lane.after({}, 1);
        const auto before = lane.chunk(1);
        REQUIRE(lane.commits(*owner, before, first));
        auto chunk = lane.chunk(4);
        fixture->make_undeliverable(chunk[1]);
        const auto refused = lane.commit(*owner, chunk, lane.after(first, 4));
        REQUIRE(refused.has_error());
        CHECK_FALSE(resilience::is_retryable(refused.error().code));
        CHECK_FALSE(resilience::is_in_doubt(refused.error().code));
        CHECK(refused.error().detail.find(chunk[1].event.id) != std::string::npos);
        const auto refusals = owner->refusals();
        REQUIRE(refusals.size() == 1);
        CHECK(refusals[0].event == 1);
        CHECK_FALSE(refusals[0].failure.message().empty());

        CHECK(lane.take_over(*owner) == first);
        chunk.erase(chunk.begin() + 1);
        const auto next = lane.after(first, 3);
        REQUIRE(lane.commits(*owner, chunk, next));
        CHECK(owner->refusals().empty());
        auto all = ids_of(before);
        std::ranges::copy(ids_of(chunk), std::back_inserter(all));
        CHECK(fixture->arrived(4) == all);
    }
}

/// What follows a failure: I8.
inline void check_lane_failures(const MakeLane& make) {
    using resilience::Errc;
    const auto fixture = make();
    Lane lane{*fixture};

    SUBCASE("I8: nothing is committed before a take-over") {
        const auto owner = fixture->make_owner();
        const auto refused = lane.commit(*owner, lane.chunk(1), lane.after({}, 1));
        REQUIRE(refused.has_error());
        CHECK(refused.error() == Errc::invalid_request);
        CHECK(fixture->arrived(0).empty());
    }

    SUBCASE("I8: after a refusal nothing is committed before a take-over") {
        const auto owner = fixture->make_owner();
        lane.take_over(*owner);
        auto chunk = lane.chunk(1);
        const auto good = chunk;
        fixture->make_undeliverable(chunk[0]);
        const auto next = lane.after({}, 1);
        REQUIRE(lane.commit(*owner, chunk, next).has_error());
        const auto refused = lane.commit(*owner, good, next);
        REQUIRE(refused.has_error());
        CHECK(refused.error() == Errc::invalid_request);
        CHECK(lane.take_over(*owner) == std::nullopt);
        REQUIRE(lane.commits(*owner, good, next));
        CHECK(fixture->arrived(1) == ids_of(good));
    }

    SUBCASE("I8: of an aborted chunk nothing is delivered, and a take-over mends it") {
        const auto owner = fixture->make_aborting_owner();
        lane.take_over(*owner);
        const auto chunk = lane.chunk(1);
        const auto first = lane.after({}, 1);
        REQUIRE(lane.commits(*owner, chunk, first));

        const auto more = lane.chunk(2);
        const auto second = lane.after(first, 2);
        const auto aborted = lane.commit(*owner, more, second);
        REQUIRE(aborted.has_error());
        CHECK_MESSAGE(aborted.error() == Errc::aborted, aborted.error().message());
        CHECK(owner->refusals().empty());
        const auto refused = lane.commit(*owner, more, second);
        REQUIRE(refused.has_error());
        CHECK(refused.error() == Errc::invalid_request);

        CHECK(lane.take_over(*owner) == first);
        REQUIRE(lane.commits(*owner, more, second));
        auto all = ids_of(chunk);
        std::ranges::copy(ids_of(more), std::back_inserter(all));
        CHECK(fixture->arrived(3) == all);
    }

    SUBCASE("a commit that is cancelled is told by the position") {
        const auto owner = fixture->make_owner();
        lane.take_over(*owner);
        const auto chunk = lane.chunk(5);
        const auto next = lane.after({}, 5);
        const auto cancelled = lane.cancel_commit(*owner, chunk, next);
        if (cancelled.has_error()) {
            const auto refused = lane.commit(*owner, chunk, next);
            REQUIRE(refused.has_error());
            CHECK(refused.error() == Errc::invalid_request);
        }
        const auto position = lane.take_over(*owner);
        if (cancelled.has_value()) CHECK(position == next);
        if (!position) REQUIRE(lane.commits(*owner, chunk, next));
        CHECK(fixture->arrived(5) == ids_of(chunk));
    }
}

/// Who may commit: I7.
inline void check_lane_fence(const MakeLane& make) {
    using resilience::Errc;
    const auto fixture = make();
    Lane lane{*fixture};
    const auto old = fixture->make_owner();
    const auto young = fixture->make_owner();
    lane.take_over(*old);
    const auto chunk = lane.chunk(1);
    const auto first = lane.after({}, 1);
    REQUIRE(lane.commits(*old, chunk, first));

    SUBCASE("I7: the earlier owner is fenced, and stays so until it takes over") {
        CHECK(lane.take_over(*young) == first);
        const auto zombie = lane.chunk(1);
        const auto second = lane.after(first, 1);
        const auto fenced = lane.commit(*old, zombie, second);
        REQUIRE(fenced.has_error());
        CHECK_MESSAGE(fenced.error() == Errc::fenced, fenced.error().message());
        CHECK(lane.commit(*old, zombie, second).error() == Errc::invalid_request);

        const auto more = lane.chunk(1);
        REQUIRE(lane.commits(*young, more, second));
        CHECK(lane.take_over(*old) == second);
        const auto third = lane.after(second, 1);
        REQUIRE(lane.commits(*old, zombie, third));
        const auto late = lane.commit(*young, lane.chunk(1), lane.after(second, 1));
        REQUIRE(late.has_error());
        CHECK(late.error() == Errc::fenced);
        auto all = ids_of(chunk);
        all.push_back(more[0].event.id);
        all.push_back(zombie[0].event.id);
        CHECK(fixture->arrived(3) == all);
    }

    SUBCASE("I7: a commit under way is part of what is read, or never happens") {
        auto all = ids_of(chunk);
        auto last = first;
        for (int round = 0; round < 4; ++round) {
            CAPTURE(round);
            auto& losing = round % 2 == 0 ? *old : *young;
            auto& taking = round % 2 == 0 ? *young : *old;
            const auto more = lane.chunk(2);
            const auto next = lane.after(last, 2);
            const auto [committed, position] = lane.race(losing, more, next, taking);
            REQUIRE_MESSAGE(position.has_value(), position.error().message());
            REQUIRE(position->has_value());
            if (committed.has_value()) CHECK(*position == next);
            if (**position == next) {
                std::ranges::copy(ids_of(more), std::back_inserter(all));
            } else {
                CHECK(**position == last);
            }
            last = **position;
        }
        CHECK(fixture->arrived(all.size()) == all);
    }
}

}  // namespace contract

#endif
