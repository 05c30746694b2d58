// SPDX-License-Identifier: MIT
// Policies that are shared by several calls, some of them waiting, when their io_context
// is destroyed.
#include <unit/asio/cancel_policies.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

using namespace resilience;
using namespace std::chrono_literals;
using Policies = CancelPolicies;

namespace {

constexpr int kCalls = 4;

template <class Pipeline>
net::awaitable<void> call(Pipeline& pipeline, Policies& policies) {
    const auto attempt = [&](CallContext&) { return policies.operation(); };
    (void)co_await co_run(pipeline, attempt);
}

/// Sees that every slot, permit and probe came back, and that a throttle counts no call
/// that did not end.
void check_all(Policies& policies, TimePoint start) {
    policies.check(start);
    const ThrottleSnapshot seen = policies.throttle.snapshot(start);
    CHECK(seen.requests <= policies.operation.calls() - policies.operation.destroyed());
    CHECK(seen.accepts <= seen.requests);
}

/// Begins some calls of what `make(policies)` makes, destroys their context at several
/// instants, and sees that nothing is left behind.
template <class Make>
void destroy_with_several(Make make) {
    std::size_t most_waits = 0;
    for (const auto after : {0ms, 1ms, 7ms, 50ms, 400ms, 600ms, 1'200ms, 2'700ms}) {
        CAPTURE(after.count());
        std::optional<net::io_context> context{std::in_place};
        testing::VirtualTime time{*context};
        Policies policies{time.now()};
        policies.operation.succeed_after(3s, 1);
        const TimePoint start = time.now();
        net::co_spawn(*context, hold_slot_for(policies.bulkhead, 500ms), net::detached);
        auto pipeline = make(policies);
        for (int i = 0; i < kCalls; ++i) {
            net::co_spawn(*context, call(pipeline, policies), net::detached);
        }
        time.run_for(after);
        most_waits = std::max(most_waits, time.waiting());
        context.reset();
        check_all(policies, start);
    }
    CHECK(most_waits > 1);
}

}  // namespace

TEST_CASE("a context destroyed with several calls of one policy leaves nothing behind") {
    destroy_with_several([](Policies&) { return Pipeline{Deadline{20s}}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts()};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.bucket}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.throttle}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.breaker}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.bulkhead}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.limit}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.hedge}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.fallback}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.chaos}; });
    destroy_with_several([](Policies&) { return Pipeline{Policies::attempt_timeout()}; });
}

TEST_CASE("a context destroyed with several calls that wait for a slot leaves none taken"
) {
    destroy_with_several([](Policies& p) { return Pipeline{Deadline{2s}, p.bulkhead}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.bulkhead};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.hedge, p.bulkhead}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{AsListed{}, p.bulkhead, p.hedge};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.fallback, p.bulkhead}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.throttle, p.bulkhead}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.breaker, p.bulkhead}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{AsListed{}, p.bulkhead, p.breaker};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.limit, p.bulkhead}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{p.bulkhead, Policies::attempt_timeout()};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.bulkhead, p.chaos}; });
}

TEST_CASE("a context destroyed with several calls of two policies leaves nothing behind"
) {
    destroy_with_several([](Policies& p) {
        return Pipeline{Deadline{20s}, p.three_attempts()};
    });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.breaker};
    });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.throttle};
    });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.limit};
    });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.hedge};
    });
    destroy_with_several([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), Policies::attempt_timeout()};
    });
    destroy_with_several([](Policies& p) { return Pipeline{p.hedge, p.breaker}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.hedge, p.limit}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.fallback, p.hedge}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.throttle, p.breaker}; });
    destroy_with_several([](Policies& p) { return Pipeline{p.breaker, p.limit}; });
    destroy_with_several([](Policies& p) {
        return Pipeline{p.limit, Policies::attempt_timeout()};
    });
}
