// SPDX-License-Identifier: MIT
#include <resilience/retry_policy.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr int kSamples = 20'000;

// The greatest distance between the samples' distribution and the uniform one over
// [from, to] (Kolmogorov and Smirnov), times the square root of their number. For samples
// that are what they claim to be, it exceeds 1.95 once in a thousand times.
double distance_from_uniform(std::vector<double> samples, double from, double to) {
    std::sort(samples.begin(), samples.end());
    const double n = static_cast<double>(samples.size());
    double most = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double expected = std::clamp((samples[i] - from) / (to - from), 0.0, 1.0);
        const double below = static_cast<double>(i) / n;
        most = std::max({most, expected - below, below + 1 / n - expected});
    }
    return most * std::sqrt(n);
}

template <class Draw>
std::vector<double> samples_of(std::uint64_t seed, Draw draw) {
    Random random{seed};
    std::vector<double> samples(kSamples);
    for (double& sample : samples) {
        sample = std::chrono::duration<double>(draw(random())).count();
    }
    return samples;
}

// Log-uniform between 1 and the longest wait there is.
std::int64_t any_length(Random& random) {
    const auto longest = static_cast<std::uint64_t>(std::numeric_limits<int64_t>::max());
    return static_cast<std::int64_t>(random() % longest >> random() % 62) + 1;
}

RetryOptions any_options(Random& random, Jitter jitter) {
    const std::int64_t a = any_length(random);
    const std::int64_t b = any_length(random);
    const double steep = fraction_of(random()) < 0.5 ? 1.0 : 100.0;
    return {
        .base = nanoseconds{std::min(a, b)},
        .factor = 1.01 + steep * fraction_of(random()),
        .cap = nanoseconds{std::max(a, b)},
        .jitter = jitter,
        .throttle_base = nanoseconds{any_length(random)}};
}

}  // namespace

TEST_CASE("full jitter is uniform over the whole back-off") {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const RetryPolicy policy{{.base = 100ms, .jitter = Jitter::full}};
        const auto draw = [&](std::uint64_t r) { return policy.delay(3, r); };
        CHECK(distance_from_uniform(samples_of(seed, draw), 0.0, 0.4) < 1.95);
    }
}

TEST_CASE("equal jitter is uniform over the upper half of the back-off") {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const RetryPolicy policy{{.base = 100ms, .jitter = Jitter::equal}};
        const auto draw = [&](std::uint64_t r) { return policy.delay(3, r); };
        CHECK(distance_from_uniform(samples_of(seed, draw), 0.2, 0.4) < 1.95);
    }
}

TEST_CASE("decorrelated jitter is uniform from the base to thrice the wait before") {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const RetryPolicy policy{{.base = 100ms, .jitter = Jitter::decorrelated}};
        const auto first = [&](std::uint64_t r) {
            return policy.delay(1, Verdict::transient, 0s, r);
        };
        CHECK(distance_from_uniform(samples_of(seed, first), 0.1, 0.3) < 1.95);
        const auto later = [&](std::uint64_t r) {
            return policy.delay(2, Verdict::transient, 2s, r);
        };
        CHECK(distance_from_uniform(samples_of(seed, later), 0.1, 6.0) < 1.95);
    }
}

TEST_CASE("the measure of uniformity tells a triangle and a shifted range apart") {
    const auto uniform = [](std::uint64_t r) {
        return nanoseconds{detail::portion(1'000'000'000, r)};
    };
    const auto triangle = [&](std::uint64_t r) {
        Random random{r};
        return (uniform(random()) + uniform(random())) / 2;
    };
    CHECK(distance_from_uniform(samples_of(1, uniform), 0.0, 1.0) < 1.95);
    CHECK(distance_from_uniform(samples_of(1, triangle), 0.0, 1.0) > 1.95);
    CHECK(distance_from_uniform(samples_of(1, uniform), 0.05, 1.05) > 1.95);
}

TEST_CASE("golden: decorrelated waits of a known sequence of random numbers") {
    const RetryPolicy policy{{.base = 100ms, .cap = 2s, .jitter = Jitter::decorrelated}};
    // Random bits of one half, then one quarter of their range, and so on.
    nanoseconds wait = policy.delay(1, Verdict::transient, 0s, 1ULL << 63);
    CHECK(wait == 200ms);
    wait = policy.delay(2, Verdict::transient, wait, 1ULL << 62);
    CHECK(wait == 225ms);
    wait = policy.delay(3, Verdict::transient, wait, ~0ULL);
    CHECK(wait == 675ms - 1ns);
    wait = policy.delay(4, Verdict::throttled, wait, 0);
    CHECK(wait == 1s);
    wait = policy.delay(5, Verdict::transient, wait, ~0ULL);
    CHECK(wait == 2s);
}

TEST_CASE("waits of any options stay within base, back-off and cap (failsafe#115)") {
    Random random{2026};
    for (int i = 0; i < 20'000; ++i) {
        const auto jitter = static_cast<Jitter>(i % 4);
        const RetryOptions options = any_options(random, jitter);
        const RetryPolicy policy{options};
        RetryOptions plain = options;
        plain.jitter = Jitter::none;
        const RetryPolicy nominal{plain};
        const Verdict cause = i % 3 == 0 ? Verdict::throttled : Verdict::transient;
        const nanoseconds base = cause == Verdict::throttled
                                     ? std::min(options.throttle_base, options.cap)
                                     : options.base;
        nanoseconds before{0};
        nanoseconds wait{0};
        for (std::uint32_t failed = 1; failed < 12; ++failed) {
            const nanoseconds backoff = nominal.delay(failed, cause, 0s, 0);
            REQUIRE(backoff >= before);
            REQUIRE(backoff >= base);
            REQUIRE(backoff <= options.cap);
            before = backoff;
            wait = policy.delay(failed, cause, wait, random());
            switch (jitter) {
                case Jitter::none:
                    REQUIRE(wait == backoff);
                    break;
                case Jitter::full:
                    REQUIRE(wait.count() >= 0);
                    REQUIRE(wait <= backoff);
                    break;
                case Jitter::equal:
                    REQUIRE(wait >= backoff / 2);
                    REQUIRE(wait <= backoff);
                    break;
                case Jitter::decorrelated:
                    REQUIRE(wait >= base);
                    REQUIRE(wait <= options.cap);
                    break;
            }
        }
    }
}

TEST_CASE("a loop without an end gets decorrelated waits of the same range") {
    const RetryPolicy policy{{.base = 100ms, .cap = 5s, .jitter = Jitter::decorrelated}};
    Random random{7};
    nanoseconds sum{0};
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const nanoseconds early = policy.delay(1, random());
        CHECK(early >= 100ms);
        CHECK(early < 300ms);
        const nanoseconds late = policy.delay(1000 + i, random());
        CHECK(late >= 100ms);
        CHECK(late <= 5s);
        sum += late;
    }
    CHECK(sum / 1000 > 1s);
}
