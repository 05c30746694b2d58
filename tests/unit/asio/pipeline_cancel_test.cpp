// SPDX-License-Identifier: MIT
// Every pair of policies, and all of them together, struck at each suspension: by each
// type of cancellation and by the destruction of the io_context.
#include <unit/asio/cancel_policies.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace resilience;
using namespace std::chrono_literals;
using Policies = CancelPolicies;

namespace {

Retry<> three_attempts(Policies& p) { return p.three_attempts(); }
Timeout<> attempt_timeout() { return Policies::attempt_timeout(); }

}  // namespace

TEST_CASE("cancelled anywhere, each policy alone gives back what it lent") {
    strike_everywhere([](Policies&) { return Pipeline{Deadline{20s}}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{NoDeadline{}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bulkhead}; });
    strike_everywhere([](Policies&) { return Pipeline{attempt_timeout()}; });
}

TEST_CASE("cancelled anywhere, a deadline and another policy give back what they lent") {
    strike_everywhere([](Policies& p) {
        return Pipeline{Deadline{20s}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) {
        return Pipeline{Deadline{1s}, three_attempts(p)};
    });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.bucket}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{1s}, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{Deadline{100ms}, p.bulkhead}; });
    strike_everywhere([](Policies&) {
        return Pipeline{Deadline{1s}, attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, a retry and another policy give back what they lent") {
    const NoDeadline none;
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.bucket};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.throttle};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.breaker};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), p.bulkhead};
    });
    strike_everywhere([=](Policies& p) {
        return Pipeline{none, three_attempts(p), attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, two guards give back what they lent") {
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.throttle}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, p.bulkhead}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.bucket, attempt_timeout()}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.breaker}; });
    strike_everywhere([](Policies& p) { return Pipeline{p.throttle, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.throttle, attempt_timeout()};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, p.bulkhead}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{AsListed{}, p.bulkhead, p.breaker};
    });
    strike_everywhere([](Policies& p) { return Pipeline{p.breaker, attempt_timeout()}; });
    strike_everywhere([](Policies& p) {
        return Pipeline{p.bulkhead, attempt_timeout()};
    });
}

TEST_CASE("cancelled anywhere, all policies together give back what they lent") {
    strike_everywhere([](Policies& p) {
        return Pipeline{
            Deadline{20s},
            three_attempts(p),
            p.bucket,
            p.throttle,
            p.breaker,
            p.bulkhead,
            attempt_timeout()};
    });
}
