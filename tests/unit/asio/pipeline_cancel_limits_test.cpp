// SPDX-License-Identifier: MIT
// Pairs with Chaos and with AdaptiveLimit, struck at each suspension: by each type of
// cancellation and by the destruction of the io_context.
#include <unit/asio/cancel_policies.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace resilience;
using namespace std::chrono_literals;
using Policies = CancelPolicies;

TEST_CASE("cancelled anywhere, chaos and another policy give back what they lent") {
    strike_everywhere([](Policies& p) { return Pipeline{p.chaos}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.chaos}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.chaos};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.chaos}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, p.chaos}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bulkhead, p.chaos}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{Policies::attempt_timeout(), p.chaos};
    });
}

TEST_CASE(
    "cancelled anywhere, an adaptive limit and another policy give back what they "
    "lent"
) {
    strike_everywhere([](Policies& p) { return Pipeline{p.limit}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.limit}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.limit};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.limit}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.limit}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, p.limit}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.limit, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.limit, Policies::attempt_timeout()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.limit, p.chaos}; });
}

TEST_CASE("cancelled anywhere, every waiting policy together gives back what it lent") {
    strike_everywhere([](Policies& p) {
        return Pipeline{
            p.fallback,
            Deadline{20s},
            p.three_attempts(),
            p.hedge,
            p.breaker,
            p.limit,
            p.bulkhead,
            Policies::attempt_timeout(),
            p.chaos};
    });
}
