// SPDX-License-Identifier: MIT
#include <resilience/detail/count_ring.hpp>
#include <resilience/detail/failure_run.hpp>
#include <resilience/time_window.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "unit/core/interleaving.hpp"
#include "unit/core/linearizability.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

const TimePoint t0 = TimePoint{} + 1h;

/// To count one call, or to ask for the counts.
struct Operation {
    bool asks = false;
    CallOutcome outcome{};
    CallCounts answer{};
};

/// The last calls, one after the other.
struct Calls {
    std::size_t size;
    std::deque<CallOutcome> last{};

    bool apply(const Operation& operation) {
        if (!operation.asks) {
            last.push_back(operation.outcome);
            if (last.size() > size) last.pop_front();
            return true;
        }
        CallCounts counts;
        for (const CallOutcome& o : last) {
            ++counts.calls;
            if (o.failure) ++counts.failures;
            if (o.slow) ++counts.slow;
        }
        return counts == operation.answer;
    }
};

Operation choose(Random& random) {
    const std::uint64_t bits = random();
    if (bits % 3 == 0) return {.asks = true};
    return {.outcome = {.failure = (bits & 8) != 0, .slow = (bits & 48) == 0}};
}

using Ring = detail::CountRing<ActedAtomic>;

void perform(Ring& ring, Operation& operation) {
    if (operation.asks) {
        operation.answer = ring.counts(0);
    } else {
        ring.record(0, operation.outcome);
    }
}

}  // namespace

TEST_CASE(
    "the histories of a count window are those of a list, for any size "
    "(resilience4j#2379)"
) {
    for (const std::uint32_t size : {1u, 2u, 3u}) {
        CAPTURE(size);
        CHECK(
            count_bad_histories<Operation>(
                4'000,
                [&] { return std::make_unique<Ring>(size); },
                Calls{size},
                choose,
                perform
            ) == 0
        );
    }
}

TEST_CASE("a thread that is held up before its slot does no harm when it goes on") {
    Ring ring{1};
    const auto success = [&] { ring.record(0, {}); };
    const auto failure = [&] { ring.record(0, {.failure = true}); };
    Actor late{success};
    late.advance(3);  // it is about to write the slot, which is as new
    success();
    Actor second{failure};
    second.advance(5);  // it has counted the failure, and not written the slot
    Actor third{success};
    third.advance(3);  // it is about to write the slot in the second's place
    late.advance(1);
    third.finish();
    CHECK(ring.counts(0) == CallCounts{1, 0, 0});
    second.finish();
    late.finish();
    CHECK(ring.counts(0) == CallCounts{1, 0, 0});
}

TEST_CASE("a thread that is held up for a whole round writes no slot") {
    Ring ring{1};
    Actor late{[&] { ring.record(0, {.failure = true}); }};
    late.advance(1);  // it has read the word
    for (int i = 0; i < 3; ++i) ring.record(0, {.failure = true});
    Actor last{[&] { ring.record(0, {.slow = true}); }};
    last.advance(3);
    late.advance(3);
    last.finish();
    late.finish();
    ring.record(0, {});
    CHECK(ring.counts(0) == CallCounts{1, 0, 0});
}

TEST_CASE("a history that no list explains is found out") {
    const CallOutcome failure{.failure = true};
    const std::vector<Event<Operation>> history{
        {{.outcome = failure}, 0, 1},
        {{.outcome = {}}, 2, 5},
        {{.asks = true, .answer = {1, 1, 0}}, 3, 4},
        {{.asks = true, .answer = {1, 1, 0}}, 6, 7}};
    CHECK_FALSE(is_linearizable(Calls{1}, history));
    CHECK(is_linearizable(Calls{1}, std::vector(history.begin(), history.end() - 1)));
}

TEST_CASE("what threads record is counted, every call once") {
    constexpr std::uint32_t kThreads = 4;
    constexpr std::uint32_t kCalls = 2000;
    for (const std::uint32_t stripes : {1u, 8u}) {
        TimeWindow time{{.length = 16s, .buckets = 16, .stripes = stripes}};
        detail::CountRing<std::atomic> count{1023};
        detail::FailureRun run;
        std::vector<std::thread> threads;
        for (std::uint32_t t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                for (std::uint32_t i = 0; i < kCalls; ++i) {
                    const CallOutcome o{.failure = i % 2 == 0, .slow = i % 4 == 0};
                    time.record(0, o, t0 + 16s * i / kCalls);
                    count.record(0, o);
                    run.record(0, true);
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        const CallCounts expected{
            kThreads * kCalls, kThreads * kCalls / 2, kThreads * kCalls / 4};
        // Hour 1 is a multiple of 16 s, so all is within one window.
        CHECK(time.counts(0, t0 + 16s - 1ns) == expected);
        CHECK(run.length(0) == kThreads * kCalls);
        const CallCounts last = count.counts(0);
        CHECK(last.calls == 1023);
        CHECK(last.failures <= 1023);
        // The counts are those of the slots: as many successes empty them exactly.
        for (int i = 0; i < 1023; ++i) count.record(0, {});
        CHECK(count.counts(0) == CallCounts{1023, 0, 0});
    }
}
