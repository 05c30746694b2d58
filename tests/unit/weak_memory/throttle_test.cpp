// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <utility>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

/// One bucket of a second, and no refusals.
ThrottleOptions one_bucket() { return {.window = 1s, .buckets = 1, .max_rejection = 0}; }

void call(Throttle<>& throttle, Verdict verdict, TimePoint now) {
    throttle.try_acquire(now, 0).done(verdict, now);
}

void demand_counts(
    const Throttle<>& throttle,
    TimePoint now,
    std::uint64_t requests,
    std::uint64_t accepts
) {
    const ThrottleSnapshot s = throttle.snapshot(now);
    demand(s.requests == requests, "every request is counted once");
    demand(s.accepts == accepts, "every accept is counted once");
}

}  // namespace

TEST_CASE("weak memory: requests, accepts and what is taken back keep count") {
    const Exploration all = explore([] {
        Throttle<> throttle{one_bucket(), {}, start};
        auto served = throttle.try_acquire(start, 0);
        auto given_up = throttle.try_acquire(start, 0);
        run(
            {[&] { std::move(served).done(Verdict::success, start); },
             [&] { std::move(given_up).done(Verdict::abandoned, start); },
             [&] { call(throttle, Verdict::transient, start); }}
        );
        demand_counts(throttle, start, 2, 1);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a bucket that turns over begins anew once") {
    const Exploration all = explore([] {
        Throttle<> throttle{one_bucket(), {}, start};
        const TimePoint later = start + 1s;
        call(throttle, Verdict::success, start);
        call(throttle, Verdict::success, start);
        run(
            {[&] { call(throttle, Verdict::success, later); },
             [&] { call(throttle, Verdict::transient, later); }}
        );
        demand_counts(throttle, later, 2, 1);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: what was counted in an earlier turn is taken back from no other"
) {
    const Exploration all = explore([] {
        Throttle<> throttle{one_bucket(), {}, start};
        const TimePoint later = start + 1s;
        auto late = throttle.try_acquire(start, 0);
        run(
            {[&] { std::move(late).done(Verdict::ignored, later); },
             [&] { call(throttle, Verdict::success, later); },
             [&] { call(throttle, Verdict::transient, later); }}
        );
        demand_counts(throttle, later, 2, 1);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a thread whose clock is late counts into the turn that it finds"
) {
    const Exploration all = explore([] {
        Throttle<> throttle{one_bucket(), {}, start};
        const TimePoint later = start + 1s;
        call(throttle, Verdict::success, later);
        run(
            {[&] { call(throttle, Verdict::success, start); },
             [&] { call(throttle, Verdict::success, later); }}
        );
        demand_counts(throttle, later, 3, 3);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: another multiplier forgets no count") {
    const Exploration all = explore([] {
        Throttle<> throttle{one_bucket(), {}, start};
        ThrottleOptions other = one_bucket();
        other.multiplier = 3;
        run(
            {[&] { throttle.reconfigure(other, start); },
             [&] { call(throttle, Verdict::success, start); },
             [&] { call(throttle, Verdict::abandoned, start); }}
        );
        demand_counts(throttle, start, 1, 1);
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
