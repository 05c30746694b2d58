// SPDX-License-Identifier: MIT
// Pairs with the policies that make attempts of their own, put something else in the
// place of an end, or find their limit by themselves, struck at each suspension: by each
// type of cancellation and by the destruction of the io_context.
#include <unit/asio/cancel_policies.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace resilience;
using namespace std::chrono_literals;
using Policies = CancelPolicies;

TEST_CASE("cancelled anywhere, a hedge and another policy give back what they lent") {
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.hedge}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{NoDeadline{}, p.three_attempts(), p.hedge};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge, p.bucket}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{AsListed{}, p.bulkhead, p.hedge};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge, p.limit}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.hedge, Policies::attempt_timeout()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.hedge, p.chaos}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, p.hedge}; });
}

TEST_CASE("cancelled anywhere, a fallback and another policy give back what they lent") {
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, Deadline{1s}}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.fallback, NoDeadline{}, p.three_attempts()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, p.bulkhead}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, p.limit}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.fallback, Policies::attempt_timeout()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.fallback, p.chaos}; });
}
