// SPDX-License-Identifier: MIT
#include <src/kafka/delivery_plan.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using kafka::DeliveryReport;
using kafka::detail::DeliveryPlan;

using Indexes = std::vector<std::size_t>;
using Reports = std::vector<Result<DeliveryReport>>;

// One event for each letter, which is its key.
std::vector<ClaimedEvent> events_of(const std::string& keys) {
    std::vector<ClaimedEvent> events;
    for (const char key : keys) {
        events.push_back({.event = {.partition_key = std::string{key}}});
    }
    return events;
}

const Result<DeliveryReport> good = DeliveryReport{0, 0};
const Result<DeliveryReport> large = fail(Errc::too_large);
const Result<DeliveryReport> denied = fail(Errc::access_denied);
const Result<DeliveryReport> bystander = fail(Errc::cancelled);
const Result<DeliveryReport> in_doubt = fail(Errc::cancelled_in_doubt);
const Result<DeliveryReport> closed = fail(Errc::closed);
const Result<DeliveryReport> down = fail(Errc::timed_out_in_doubt);

}  // namespace

TEST_CASE("O8: everything is sent at once, and that is all when it is delivered") {
    const auto events = events_of("abc");
    DeliveryPlan plan(events);
    CHECK(plan.next() == Indexes{0, 1, 2});
    CHECK(plan.report(Indexes{0, 1, 2}, Reports{good, good, good}));
    CHECK(plan.next().empty());
    for (const auto& result : plan.take_results()) CHECK(result.has_value());
}

TEST_CASE("no event: nothing to send") {
    DeliveryPlan plan({});
    CHECK(plan.next().empty());
    CHECK(plan.take_results().empty());
}

TEST_CASE("O9: behind a failed event of a key nothing of that key is sent") {
    const auto events = events_of("abaca");
    DeliveryPlan plan(events);
    CHECK(plan.report(plan.next(), Reports{denied, good, bystander, closed, in_doubt}));
    CHECK(plan.next() == Indexes{3});
    CHECK(plan.report(Indexes{3}, Reports{good}));
    CHECK(plan.next().empty());
    const auto results = plan.take_results();
    CHECK(results[0].error() == Errc::access_denied);
    CHECK(results[1].has_value());
    CHECK(results[2].error() == Errc::cancelled);
    CHECK(results[3].has_value());
    CHECK(results[4].error() == Errc::cancelled);
}

TEST_CASE("O8: refused in company, events are sent one at a time and the culprit is found"
) {
    const auto events = events_of("abcde");
    DeliveryPlan plan(events);
    CHECK(plan.report(plan.next(), Reports{good, large, large, large, bystander}));
    CHECK(plan.next() == Indexes{1});
    plan.report(Indexes{1}, Reports{good});
    CHECK(plan.next() == Indexes{2});
    plan.report(Indexes{2}, Reports{large});
    CHECK(plan.next() == Indexes{3});
    plan.report(Indexes{3}, Reports{good});
    CHECK(plan.next() == Indexes{4});
    plan.report(Indexes{4}, Reports{good});
    CHECK(plan.next().empty());
    const auto results = plan.take_results();
    CHECK(results[2].error() == Errc::too_large);
    for (const std::size_t i : {0, 1, 3, 4}) CHECK(results[i].has_value());
}

TEST_CASE("O9: what was not judged but stands before the refused goes first, alone") {
    const auto events = events_of("aab");
    DeliveryPlan plan(events);
    plan.report(plan.next(), Reports{in_doubt, large, bystander});
    CHECK(plan.next() == Indexes{0});
    plan.report(Indexes{0}, Reports{good});
    CHECK(plan.next() == Indexes{1});
    plan.report(Indexes{1}, Reports{good});
    CHECK(plan.next() == Indexes{2});
}

TEST_CASE("O8: an event refused alone is judged at once") {
    const auto events = events_of("a");
    DeliveryPlan plan(events);
    CHECK(plan.report(plan.next(), Reports{large}));
    CHECK(plan.next().empty());
    CHECK(plan.take_results()[0].error() == Errc::too_large);
}

TEST_CASE("O8: when the cluster is down nothing more is sent and each result is retryable"
) {
    const auto events = events_of("abab");
    DeliveryPlan plan(events);
    CHECK_FALSE(plan.report(plan.next(), Reports{down, bystander, down, closed}));
    CHECK(plan.next().empty());
    for (const auto& result : plan.take_results()) {
        CHECK(is_retryable(result.error().code));
    }
}

TEST_CASE("O8: events that only ever stand by are not sent for ever") {
    const auto events = events_of("ab");
    DeliveryPlan plan(events);
    for (int round = 0; round < 3; ++round) {
        CHECK(plan.next().size() == 2);
        CHECK_FALSE(plan.report(plan.next(), Reports{closed, in_doubt}));
    }
    CHECK(plan.next().empty());
    for (const auto& result : plan.take_results()) {
        CHECK(is_retryable(result.error().code));
    }
}

TEST_CASE("O8: what finds no room is sent in the next round") {
    const auto events = events_of("abac");
    DeliveryPlan plan(events);
    const Result<DeliveryReport> full = fail(Errc::queue_full);
    CHECK(plan.report(plan.next(), Reports{good, full, bystander, full}));
    CHECK(plan.next() == Indexes{1, 2, 3});
    CHECK(plan.report(Indexes{1, 2, 3}, Reports{good, good, good}));
    CHECK(plan.next().empty());
}

TEST_CASE("an event that is refused before it is sent blocks its key alone") {
    const auto events = events_of("aba");
    DeliveryPlan plan(events);
    plan.refuse(0, fail(Errc::bad_destination));
    CHECK(plan.next() == Indexes{1});
    plan.stop(fail(Errc::unavailable));
    const auto results = plan.take_results();
    CHECK(results[0].error() == Errc::bad_destination);
    CHECK(results[1].error() == Errc::unavailable);
    CHECK(results[2].error() == Errc::cancelled);
}
