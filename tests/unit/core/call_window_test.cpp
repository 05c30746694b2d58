// SPDX-License-Identifier: MIT
#include <resilience/count_window.hpp>
#include <resilience/detail/count_word.hpp>
#include <resilience/detail/failure_run.hpp>
#include <resilience/detail/time_bucket.hpp>
#include <resilience/random.hpp>
#include <resilience/time_window.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using detail::CountWord;
using detail::FailureRun;
using detail::TimeBucket;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr CallOutcome kSuccess{};
constexpr CallOutcome kFailure{.failure = true};
constexpr CallOutcome kSlow{.slow = true};

CallOutcome outcome_of(std::uint64_t bits) {
    return {.failure = (bits & 1) != 0, .slow = (bits & 6) == 6};
}

void add(CallCounts& counts, CallOutcome o) {
    ++counts.calls;
    if (o.failure) ++counts.failures;
    if (o.slow) ++counts.slow;
}

template <class Options>
std::string refusal(const Options& options) {
    try {
        if constexpr (std::is_same_v<Options, TimeWindowOptions>) {
            TimeWindow{options};
        } else {
            CountWindow{options};
        }
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "nothing";
}

template <class Options>
bool names(const Options& options, const char* field) {
    return refusal(options).starts_with(field);
}

}  // namespace

TEST_CASE("a window out of range names the field") {
    CHECK(names(TimeWindowOptions{.length = 0s}, "TimeWindowOptions::length"));
    CHECK(names(TimeWindowOptions{.length = -1s}, "TimeWindowOptions::length"));
    CHECK(names(TimeWindowOptions{.length = 10ms - 1ns}, "TimeWindowOptions::length"));
    CHECK(names(TimeWindowOptions{.length = 24h + 1ns}, "TimeWindowOptions::length"));
    for (const std::uint32_t n : {0u, 3u, 65u, 128u, 0xffffffffu}) {
        CHECK(names(TimeWindowOptions{.buckets = n}, "TimeWindowOptions::buckets"));
        CHECK(names(TimeWindowOptions{.stripes = n}, "TimeWindowOptions::stripes"));
    }
    CHECK(names(CountWindowOptions{.calls = 0}, "CountWindowOptions::calls"));
    CHECK(names(CountWindowOptions{.calls = 1024}, "CountWindowOptions::calls"));
    CHECK(
        refusal(TimeWindowOptions{.length = 10ms, .buckets = 64, .stripes = 64}) ==
        "nothing"
    );
    CHECK(refusal(TimeWindowOptions{.length = 24h, .buckets = 1}) == "nothing");
    CHECK(refusal(CountWindowOptions{.calls = 1023}) == "nothing");
}

TEST_CASE("ratios are the exact quotients, and zero without calls") {
    CHECK(CallCounts{}.failure_ratio() == 0.0);
    CHECK(CallCounts{}.slow_ratio() == 0.0);
    CHECK(CallCounts{100, 7, 29}.failure_ratio() == 0.07);
    CHECK(CallCounts{100, 7, 29}.slow_ratio() == 0.29);
}

TEST_CASE("a time window of one bucket of one second forgets all at once") {
    TimeWindow window{{.length = 1s, .buckets = 1}};
    window.record(0, kFailure, t0);
    window.record(0, kSlow, t0 + 999ms);
    CHECK(window.counts(0, t0 + 999ms) == CallCounts{2, 1, 1});
    CHECK(window.counts(0, t0 + 1s) == CallCounts{});
    window.record(0, kSuccess, t0 + 1s);
    CHECK(window.counts(0, t0 + 1s) == CallCounts{1, 0, 0});
}

TEST_CASE("a time window forgets bucket by bucket") {
    TimeWindow window{{.length = 4s, .buckets = 4}};
    for (int i = 0; i < 4; ++i) window.record(0, kFailure, t0 + i * 1s);
    CHECK(window.counts(0, t0 + 3s).failures == 4);
    CHECK(window.counts(0, t0 + 4s - 1ns).failures == 4);
    CHECK(window.counts(0, t0 + 4s).failures == 3);
    CHECK(window.counts(0, t0 + 6s).failures == 1);
    CHECK(window.counts(0, t0 + 7s).failures == 0);
}

TEST_CASE("a time window agrees with a list of all calls") {
    Random random{7};
    for (const std::uint32_t buckets : {1u, 2u, 16u, 64u}) {
        for (const std::uint32_t stripes : {1u, 8u}) {
            TimeWindow window{{.length = 640ms, .buckets = buckets, .stripes = stripes}};
            const auto width = 640ms / buckets;
            struct Call {
                std::int64_t step;
                CallOutcome outcome;
            };
            std::deque<Call> calls;
            TimePoint now = t0;
            for (int i = 0; i < 3000; ++i) {
                now += std::chrono::milliseconds{
                    random() % 100 == 0 ? random() % 2000 : random() % 8};
                const CallOutcome o = outcome_of(random());
                window.record(0, o, now);
                calls.push_back({now.time_since_epoch() / width, o});
                while (calls.front().step + buckets <= calls.back().step) {
                    calls.pop_front();
                }
                CallCounts expected;
                for (const Call& c : calls) add(expected, c.outcome);
                if (window.counts(0, now) != expected) {
                    REQUIRE(window.counts(0, now) == expected);
                }
            }
        }
    }
}

TEST_CASE("a thread with an old reading of the clock counts where it belongs, or not") {
    TimeWindow window{{.length = 4s, .buckets = 4}};
    window.record(0, kFailure, t0 + 3s);
    window.record(0, kFailure, t0 + 2s);
    CHECK(window.counts(0, t0 + 3s).failures == 2);
    window.record(0, kFailure, t0 - 1s);
    CHECK(window.counts(0, t0 + 3s).failures == 2);
    CHECK(window.counts(0, t0 - 1s) == CallCounts{});
}

TEST_CASE("a time window works at any instant and after any idle time") {
    for (const TimePoint now :
         {TimePoint{},
          TimePoint{} - 1ns,
          TimePoint::min(),
          TimePoint::max(),
          TimePoint{} + 65535 * 4s,
          TimePoint{} + 65536 * 4s}) {
        TimeWindow window{{.length = 4s, .buckets = 4}};
        window.record(0, kFailure, now);
        CHECK(window.counts(0, now).failures == 1);
    }
    TimeWindow window{{.length = 4s, .buckets = 4}};
    TimePoint now = t0;
    for (int i = 0; i < 40; ++i) {
        window.record(0, kFailure, now);
        CHECK(window.counts(0, now).failures == 1);
        now += 4s * 40'000;
    }
}

TEST_CASE("a bucket that is full halves its counts, so ratios survive") {
    TimeWindow window{{.length = 1s, .buckets = 1}};
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        window.record(0, {.failure = i % 4 == 0, .slow = i % 2 == 0}, t0);
    }
    const CallCounts counts = window.counts(0, t0);
    CHECK(counts.calls >= 8191);
    CHECK(counts.calls <= TimeBucket::kMost);
    CHECK(counts.failure_ratio() == doctest::Approx(0.25).epsilon(0.01));
    CHECK(counts.slow_ratio() == doctest::Approx(0.5).epsilon(0.01));
}

TEST_CASE("calls of another generation do not count, and do no harm") {
    TimeWindow time{{.length = 4s, .buckets = 4}};
    CountWindow count{{.calls = 4}};
    const auto both = [&](std::uint32_t generation, const CallCounts& expected) {
        CHECK(time.counts(generation, t0) == expected);
        CHECK(count.counts(generation, t0) == expected);
    };
    const auto record = [&](std::uint32_t generation, CallOutcome o) {
        time.record(generation, o, t0);
        count.record(generation, o, t0);
    };
    record(40, kFailure);
    both(40, {1, 1, 0});
    both(39, {});
    record(43, kSlow);
    both(43, {1, 0, 1});
    both(40, {});
    record(40, kFailure);
    both(43, {1, 0, 1});
    time.forget(40);
    count.forget(40);
    both(43, {1, 0, 1});
    time.forget(43);
    count.forget(43);
    both(43, {});
    record(43 + 64, kFailure);
    both(43 + 64, {1, 1, 0});
}

TEST_CASE("a count window of one call knows the last one (resilience4j#2379)") {
    CountWindow window{{.calls = 1}};
    CHECK(window.counts(0) == CallCounts{});
    for (int i = 0; i < 3; ++i) {
        window.record(0, kFailure);
        CHECK(window.counts(0) == CallCounts{1, 1, 0});
        window.record(0, kSlow);
        CHECK(window.counts(0) == CallCounts{1, 0, 1});
        window.record(0, kSuccess);
        CHECK(window.counts(0) == CallCounts{1, 0, 0});
        window.record(0, kSuccess);
        CHECK(window.counts(0) == CallCounts{1, 0, 0});
    }
}

TEST_CASE("a count window agrees with a list of the last calls") {
    Random random{11};
    for (const std::uint32_t size : {1u, 2u, 3u, 7u, 100u, 1023u}) {
        CountWindow window{{.calls = size}};
        std::deque<CallOutcome> last;
        std::uint32_t generation = 0;
        for (std::uint32_t i = 0; i < 20 * size + 2000; ++i) {
            // Long runs of successes, so that the way without a store is taken too.
            const bool healthy = i / (3 * size) % 2 == 0;
            const CallOutcome o = healthy ? kSuccess : outcome_of(random());
            if (random() % 997 == 0) {
                window.forget(generation++);
                last.clear();
            }
            window.record(generation, o);
            last.push_back(o);
            if (last.size() > size) last.pop_front();
            CallCounts expected;
            for (const CallOutcome& c : last) add(expected, c);
            if (window.counts(generation) != expected) {
                REQUIRE(window.counts(generation) == expected);
            }
        }
    }
}

TEST_CASE("a count window's tickets begin again without a gap in the ring") {
    for (const std::uint32_t size : {1u, 3u, 1023u}) {
        CountWord word{.ticket = CountWord::tickets_of(size) - 1};
        CHECK((word.ticket + 1) % size == 0);
        word = word.recorded(2, 0, size);
        CHECK(word.ticket == 0);
        CHECK(word.last_ticket(size) == CountWord::tickets_of(size) - 1);
        CHECK(word.recorded(0, 0, size).last_ticket(size) == 0);
    }
}

TEST_CASE("a count word gives back what was put into it") {
    const CountWord word{63, CountWord::kTickets - 1, 1023, 1022, 1021, 2};
    const CountWord same = CountWord::unpack(word.pack());
    CHECK(same.generation == 63);
    CHECK(same.ticket == CountWord::kTickets - 1);
    CHECK(same.calls == 1023);
    CHECK(same.failures == 1022);
    CHECK(same.slow == 1021);
    CHECK(same.last == 2);
}

TEST_CASE("a run of failures is that of one generation") {
    FailureRun run;
    CHECK(run.length(0) == 0);
    run.record(0, true);
    run.record(0, true);
    CHECK(run.length(0) == 2);
    run.record(3, false);
    CHECK(run.length(3) == 0);
    run.record(3, true);
    CHECK(run.length(3) == 1);
    CHECK(run.length(0) == 0);
    run.record(0, true);
    run.record(0, false);
    CHECK(run.length(3) == 1);
    run.record(3, false);
    CHECK(run.length(3) == 0);
}

TEST_CASE("the buckets of a time window can be evaluated by the compiler") {
    constexpr TimeBucket bucket =
        TimeBucket{}.recorded(5, 7, kFailure).recorded(5, 7, kSlow);
    static_assert(bucket.counts() == CallCounts{2, 1, 1});
    static_assert(bucket.is_of(5, 7));
    CHECK(bucket.recorded(5, 6, kFailure).bits() == bucket.bits());
    CHECK(bucket.recorded(4, 7, kFailure).bits() == bucket.bits());
    CHECK(bucket.recorded(5, 8, kFailure).counts() == CallCounts{1, 1, 0});
    CHECK(bucket.recorded(6, 7, kFailure).is_of(6, 7));
}
