// SPDX-License-Identifier: MIT
#include <resilience/registry.hpp>
#include <resilience/striped_token_bucket.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr StripedTokenBucketOptions kFour{
    .limit = {.tokens = 1000, .period = 1s, .burst = 400},
    .stripes = 4,
    .tokens_per_stripe = 25};

StripedTokenBucketOptions with(std::uint32_t tokens, std::uint32_t burst) {
    StripedTokenBucketOptions options = kFour;
    options.limit.tokens = tokens;
    options.limit.burst = burst;
    return options;
}

std::uint32_t drain(StripedTokenBucket& bucket, TimePoint now) {
    std::uint32_t taken = 0;
    for (std::uint32_t stripe = 0; stripe < 4; ++stripe) {
        while (bucket.try_acquire_on(bucket.stripe(stripe), 1, now)) ++taken;
    }
    return taken;
}

std::string refusal(
    StripedTokenBucket& bucket, const StripedTokenBucketOptions& options
) {
    try {
        bucket.reconfigure(options, t0);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(' '));
    }
    return {};
}

}  // namespace

TEST_CASE("a striped bucket takes another rate and burst, and keeps what it holds") {
    StripedTokenBucket bucket{kFour};
    bucket.reconfigure(with(10, 1'000), t0);
    CHECK(bucket.options() == with(10, 1'000));
    CHECK(bucket.stripes() == 4);
    CHECK(drain(bucket, t0) == 400);
    CHECK(bucket.try_acquire(1, t0) == Admission::refuse(100ms));
    CHECK(drain(bucket, t0 + 1h) == 900);
    bucket.reconfigure(with(1000, 400), t0 + 2h);
    CHECK(drain(bucket, t0 + 2h) == 300);
    CHECK(bucket.snapshot(t0 + 3h).limit == 300);
}

TEST_CASE("P8: going to and fro gives a striped bucket no tokens") {
    StripedTokenBucket bucket{kFour};
    CHECK(bucket.try_acquire(250, t0));
    for (std::uint32_t i = 0; i < 100; ++i) {
        bucket.reconfigure(with(1 + i, 400 + 97 * i), t0);
        bucket.reconfigure(kFour, t0);
    }
    CHECK(drain(bucket, t0) == 150);
}

TEST_CASE("what a striped bucket cannot change in use is refused by name") {
    StripedTokenBucket bucket{kFour};
    CHECK(bucket.try_acquire(300, t0));
    auto options = kFour;
    options.stripes = 5;
    CHECK(refusal(bucket, options) == "StripedTokenBucketOptions::stripes");
    options = kFour;
    options.tokens_per_stripe = 24;
    CHECK(refusal(bucket, options) == "StripedTokenBucketOptions::tokens_per_stripe");
    options = kFour;
    options.limit.max_debt = 1;
    CHECK(refusal(bucket, options) == "StripedTokenBucketOptions::limit.max_debt");
    const auto few = with(1000, 399);
    CHECK(refusal(bucket, few) == "StripedTokenBucketOptions::limit.burst");
    CHECK(refusal(bucket, with(0, 400)) == "TokenBucketOptions::tokens");
    CHECK(bucket.options() == kFour);
    CHECK(drain(bucket, t0) == 100);
}

TEST_CASE("a striped bucket that is a plain one takes any burst and stays plain") {
    StripedTokenBucket bucket{{.limit = {.burst = 15}, .stripes = 4}};
    REQUIRE(bucket.stripes() == 0);
    for (const std::uint32_t burst : {1u, 4'000u}) {
        const StripedTokenBucketOptions options{.limit = {.burst = burst}, .stripes = 4};
        bucket.reconfigure(options, t0);
        CHECK(bucket.options() == options);
        CHECK(bucket.stripes() == 0);
    }
    CHECK(bucket.try_acquire(4'000, t0 + 1h));
}

TEST_CASE("a registry changes the options of a striped bucket") {
    Registry registry;
    const auto bucket = std::make_shared<StripedTokenBucket>(kFour);
    REQUIRE_FALSE(registry.add("hot", bucket));
    CHECK(registry.reconfigure<StripedTokenBucket>("hot", with(5, 500)));
    CHECK(bucket->options() == with(5, 500));
    CHECK_THROWS_AS(
        registry.reconfigure<StripedTokenBucket>("hot", {}), std::invalid_argument
    );
}

TEST_CASE("P8: threads take no token of a striped bucket twice while its options change"
) {
    StripedTokenBucketOptions options{
        .limit = {.tokens = 1, .period = 24h, .burst = 50'000},
        .stripes = 3,
        .tokens_per_stripe = 64};
    StripedTokenBucket bucket{options};
    std::atomic<int> running{3};
    std::atomic<std::uint32_t> taken{0};
    std::vector<std::thread> takers;
    for (std::uint32_t i = 0; i < 3; ++i) {
        takers.emplace_back([&, i] {
            std::uint32_t mine = 0;
            for (int call = 0; call < 20'000; ++call) {
                const std::uint32_t stripe = bucket.stripe(i);
                mine += bucket.try_acquire_on(stripe, 1, t0).admitted ? 1u : 0u;
                const std::uint32_t burst = bucket.options().limit.burst;
                if (burst != 50'000 && burst != 60'000) mine += 1'000'000;
            }
            taken += mine;
            --running;
        });
    }
    for (std::uint32_t i = 0; running > 0; ++i) {
        options.limit.tokens = 1 + i % 7;
        options.limit.burst = i % 2 == 0 ? 60'000 : 50'000;
        bucket.reconfigure(options, t0);
    }
    for (std::thread& t : takers) t.join();
    std::uint32_t left = 0;
    for (std::uint32_t i = 0; i < 3; ++i) {
        while (bucket.try_acquire_on(bucket.stripe(i), 1, t0)) ++left;
    }
    CHECK(taken + left <= 50'000);
    CHECK(taken + left >= 49'999);
}
