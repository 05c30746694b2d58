// SPDX-License-Identifier: MIT
#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr std::uint64_t kLeast = 0;                 // refused if anything is
constexpr std::uint64_t kMost = ~std::uint64_t{0};  // admitted if anything is

using Plain = Throttle<>;

// Requests that are admitted and end at once.
template <class T>
void make_calls(T& throttle, int n, Verdict end, TimePoint now) {
    for (int i = 0; i < n; ++i) {
        auto permit = throttle.try_acquire(now, kMost);
        REQUIRE(permit);
        std::move(permit).done(end, now);
    }
}

std::string refused(const ThrottleOptions& options) {
    try {
        Plain{options};
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

struct Recorder {
    std::vector<double>* seen;
    void on(const ThrottleRefused& event) noexcept { seen->push_back(event.rejection); }
};

}  // namespace

static_assert(Guard<Plain>);

TEST_CASE("a peer that accepts half of the calls is not held back at all") {
    Plain throttle{{.grace = 0}, {}, kStart};
    for (int i = 0; i < 1000; ++i) {
        make_calls(throttle, 1, Verdict::success, kStart);
        make_calls(throttle, 1, Verdict::throttled, kStart);
        CHECK(throttle.snapshot(kStart).rejection == 0.0);
    }
    CHECK(throttle.try_acquire(kStart, kLeast));
}

TEST_CASE("beyond that, the share refused is that of the published formula") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 100, Verdict::success, kStart);
    make_calls(throttle, 299, Verdict::transient, kStart);
    const ThrottleSnapshot now = throttle.snapshot(kStart);
    CHECK(now.requests == 399);
    CHECK(now.accepts == 100);
    CHECK(now.rejection == doctest::Approx((399 - 2 * 100) / 400.0));
    // Of the random numbers, those below the share refuse.
    const auto share = static_cast<std::uint64_t>(now.rejection * 9007199254740992.0);
    CHECK_FALSE(throttle.try_acquire(kStart, (share - 2) << 11));
    CHECK(throttle.snapshot(kStart).requests == 400);
    CHECK(throttle.try_acquire(kStart, kMost));
}

TEST_CASE("a peer that refuses everything is still asked one time in ten") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 10'000, Verdict::transient, kStart);
    CHECK(throttle.snapshot(kStart).rejection == 0.9);
    Random random{1};
    int admitted = 0;
    for (int i = 0; i < 10'000; ++i) {
        auto permit = throttle.try_acquire(kStart, random());
        if (!permit) continue;
        std::move(permit).done(Verdict::transient, kStart);
        ++admitted;
    }
    CHECK(admitted > 900);
    CHECK(admitted < 1100);
}

TEST_CASE("requests count when they are made, not when they end (go-zero#5011)") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 10, Verdict::success, kStart);
    std::vector<Plain::Permit> hanging;
    for (int i = 0; i < 40; ++i) {
        hanging.push_back(throttle.try_acquire(kStart + 1s, kMost));
    }
    // Nothing has failed yet, but the peer has stopped to answer.
    CHECK(throttle.snapshot(kStart + 1s).rejection == doctest::Approx(30 / 51.0));
    for (auto& permit : hanging) std::move(permit).done(Verdict::transient, kStart + 31s);
    CHECK(throttle.snapshot(kStart + 31s).requests == 50);
}

TEST_CASE("the calls that are in flight at the start are not held against the peer") {
    Plain throttle{{.grace = 64}, {}, kStart};
    std::vector<Plain::Permit> permits;
    for (int i = 0; i < 64; ++i) {
        permits.push_back(throttle.try_acquire(kStart, kLeast));
        CHECK(permits.back());
    }
    CHECK(throttle.snapshot(kStart).rejection == 0.0);
    permits.push_back(throttle.try_acquire(kStart, kMost));
    CHECK(throttle.snapshot(kStart).rejection > 0.0);
}

TEST_CASE("what local limits refuse and what is given up is not counted") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 5, Verdict::ignored, kStart);
    make_calls(throttle, 5, Verdict::abandoned, kStart);
    { const auto dropped = throttle.try_acquire(kStart, kMost); }
    CHECK(throttle.snapshot(kStart).requests == 0);
    make_calls(throttle, 1, Verdict::slow, kStart);
    make_calls(throttle, 1, Verdict::client_error, kStart);
    make_calls(throttle, 1, Verdict::permanent, kStart);
    CHECK(throttle.snapshot(kStart).requests == 3);
    CHECK(throttle.snapshot(kStart).accepts == 2);
}

TEST_CASE("what it refuses itself counts, so the peer gets what it accepts, doubled") {
    // Ten times as many calls as the peer accepts, for five minutes.
    Plain throttle{{}, {}, kStart};
    Random random{42};
    int sent = 0;
    int accepted = 0;
    for (TimePoint now = kStart; now < kStart + 5min; now += 10ms) {
        bool room = true;
        for (int i = 0; i < 10; ++i) {
            auto permit = throttle.try_acquire(now, random());
            if (!permit) continue;
            const bool counts = now >= kStart + 3min;
            sent += counts;
            accepted += counts && room;
            std::move(permit).done(room ? Verdict::success : Verdict::throttled, now);
            room = false;
        }
    }
    CHECK(sent > accepted * 1.8);
    CHECK(sent < accepted * 2.3);
    // In one tick of ten, none of ten calls is admitted.
    CHECK(accepted > 0.8 * 12'000);
}

TEST_CASE("after two minutes without failures nothing is refused any more") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 1000, Verdict::transient, kStart);
    CHECK(throttle.snapshot(kStart + 119s).rejection == 0.9);
    CHECK(throttle.snapshot(kStart + 120s).requests == 0);
    CHECK(throttle.snapshot(kStart + 120s).rejection == 0.0);
    CHECK(throttle.try_acquire(kStart + 120s, kLeast));
}

TEST_CASE("the window moves on bucket by bucket") {
    Plain throttle{{.window = 4s, .buckets = 4}, {}, kStart};
    for (int second = 0; second < 4; ++second) {
        make_calls(throttle, 1 << second, Verdict::success, kStart + second * 1s);
    }
    const auto requests = [&](std::chrono::nanoseconds since) {
        return throttle.snapshot(kStart + since).requests;
    };
    CHECK(requests(3999ms) == 15);
    CHECK(requests(4s) == 14);
    CHECK(requests(5s) == 12);
    CHECK(requests(6999ms) == 8);
    CHECK(requests(7s) == 0);
    make_calls(throttle, 3, Verdict::success, kStart + 5s);
    CHECK(requests(5s) == 15);
    CHECK(requests(1h) == 0);
}

TEST_CASE("one bucket of a millisecond is a window too") {
    Plain throttle{{.window = 1ms, .buckets = 1, .grace = 0}, {}, kStart};
    make_calls(throttle, 10, Verdict::transient, kStart);
    CHECK(throttle.snapshot(kStart + 999us).rejection > 0.9 - 1e-9);
    CHECK(throttle.snapshot(kStart + 1ms).rejection == 0.0);
    make_calls(throttle, 3, Verdict::success, kStart + 1ms);
    CHECK(throttle.snapshot(kStart + 1ms).requests == 3);
}

TEST_CASE("a call that is taken back after its bucket has turned over changes nothing") {
    Plain throttle{{.window = 4s, .buckets = 4}, {}, kStart};
    auto old = throttle.try_acquire(kStart, kMost);
    make_calls(throttle, 2, Verdict::success, kStart + 4s);
    auto older = throttle.try_acquire(kStart + 1s, kMost);
    make_calls(throttle, 1, Verdict::success, kStart + 9s);
    CHECK(throttle.snapshot(kStart + 7s).requests == 3);
    std::move(old).done(Verdict::abandoned, kStart + 7s);
    std::move(older).done(Verdict::ignored, kStart + 10s);
    CHECK(throttle.snapshot(kStart + 7s).requests == 3);
    CHECK(throttle.snapshot(kStart + 10s).requests == 1);
}

TEST_CASE("a late clock counts into what is current and does no harm") {
    Plain throttle{{.window = 4s, .buckets = 4}, {}, kStart};
    make_calls(throttle, 8, Verdict::success, kStart + 5s);
    make_calls(throttle, 1, Verdict::success, kStart + 1s);
    CHECK(throttle.snapshot(kStart + 5s).requests == 9);
    make_calls(throttle, 1, Verdict::success, kStart - 24h);
    make_calls(throttle, 1, Verdict::success, TimePoint::min());
    make_calls(throttle, 1, Verdict::success, TimePoint::max());
    CHECK(throttle.snapshot(TimePoint::max()).requests == 1);
}

TEST_CASE("counts that do not fit are halved, and their ratio stays") {
    using detail::ThrottleBucket;
    constexpr std::int64_t kFull = ThrottleBucket::kMost;
    const ThrottleBucket full{7, {kFull, kFull / 2}};
    CHECK(
        full.counted(7, {1, 0}).counts ==
        detail::ThrottleCounts{(kFull + 1) / 2, kFull / 4}
    );
    CHECK(full.counted(7, {0, 1}).counts == detail::ThrottleCounts{kFull, kFull / 2 + 1});
    const ThrottleBucket accepts{7, {3, kFull}};
    CHECK(
        accepts.counted(7, {0, 1}).counts == detail::ThrottleCounts{1, (kFull + 1) / 2}
    );
    CHECK(ThrottleBucket{7, {}}.uncounted(7).counts == detail::ThrottleCounts{});
    CHECK(ThrottleBucket::of(full.word()).counts == full.counts);
    CHECK(ThrottleBucket::of(full.word()).lap == 7);
}

TEST_CASE("laps that repeat after 65,536 windows are told apart up to then") {
    using detail::ThrottleBucket;
    for (const int lap : {0, 1, 2, 32767, 32768, 65534, 65535}) {
        const ThrottleBucket bucket{static_cast<std::uint16_t>(lap), {5, 5}};
        for (int now = 0; now < 65536; ++now) {
            const bool same = now == lap || (now + 1) % 65536 == lap;
            REQUIRE(bucket.current(static_cast<std::uint16_t>(now)) == same);
        }
    }
}

TEST_CASE("a refused permit holds nothing; one that is moved is taken back once") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 100, Verdict::transient, kStart);
    auto refusal = throttle.try_acquire(kStart, kLeast);
    CHECK_FALSE(refusal);
    CHECK(refusal.retry_after() == 0s);
    std::move(refusal).done(Verdict::ignored, kStart);
    CHECK(throttle.snapshot(kStart).requests == 101);
    {
        auto first = throttle.try_acquire(kStart, kMost);
        auto second = std::move(first);
        CHECK_FALSE(first);
        first = std::move(second);
        CHECK(first);
        CHECK(throttle.snapshot(kStart).requests == 102);
    }
    CHECK(throttle.snapshot(kStart).requests == 101);
}

TEST_CASE("the throttle draws its own random numbers when it is given none") {
    Plain throttle{{.grace = 0}, {}, kStart};
    make_calls(throttle, 1000, Verdict::transient, kStart);
    int admitted = 0;
    for (int i = 0; i < 1000; ++i) admitted += bool{throttle.try_acquire(kStart)};
    CHECK(admitted > 0);
    CHECK(admitted < 1000);
}

TEST_CASE("observers are told of refusals alone") {
    std::vector<double> seen;
    Throttle<Recorder> throttle{{.grace = 0}, Recorder{&seen}, kStart};
    make_calls(throttle, 10'000, Verdict::transient, kStart);
    CHECK(seen.empty());
    CHECK_FALSE(throttle.try_acquire(kStart, kLeast));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0] == 0.9);
}

TEST_CASE("each throttle option out of range is named") {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused({}) == "");
    for (const double bad : {0.9, 1001.0, kNaN}) {
        CHECK(refused({.multiplier = bad}) == "ThrottleOptions::multiplier");
    }
    CHECK(refused({.window = 0s}) == "ThrottleOptions::window");
    CHECK(refused({.window = -1s}) == "ThrottleOptions::window");
    CHECK(refused({.window = 11ms}) == "ThrottleOptions::window");
    CHECK(refused({.window = 25h}) == "ThrottleOptions::window");
    CHECK(refused({.buckets = 0}) == "ThrottleOptions::buckets");
    CHECK(refused({.buckets = 33}) == "ThrottleOptions::buckets");
    for (const double bad : {-0.1, 1.0, kNaN}) {
        CHECK(refused({.max_rejection = bad}) == "ThrottleOptions::max_rejection");
    }
    CHECK(refused({.grace = 1'000'001}) == "ThrottleOptions::grace");
    CHECK(
        refused({.multiplier = 1, .window = 32ms, .buckets = 32, .max_rejection = 0}) ==
        ""
    );
}
