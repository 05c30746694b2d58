// SPDX-License-Identifier: MIT
// The code of docs/token-bucket.md.
#include <resilience/asio/limiter.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/striped_token_bucket.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>

using namespace std::chrono_literals;
using resilience::Admission;
using resilience::Clock;
using resilience::Reservation;
using resilience::TimePoint;
using resilience::TokenBucket;

namespace {

//[use
std::optional<std::chrono::nanoseconds> busy_for(TokenBucket& bucket) {
    const Admission admission = bucket.try_acquire();
    if (admission) return std::nullopt;  // go ahead
    return admission.retry_after;        // the least time after which this call fits
}
//]

//[generic
template <resilience::RateLimiter Limiter>
bool both(Limiter& mine, Limiter& everybodys, std::uint32_t n, TimePoint now) {
    if (!mine.peek(n, now)) return false;
    return everybodys.try_acquire(n, now) && mine.try_acquire(n, now);
}
//]

}  // namespace

TEST_CASE("docs/token-bucket.md: use") {
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1}};
    CHECK_FALSE(busy_for(bucket));
    CHECK(busy_for(bucket) > 59min);
    TokenBucket other{{.tokens = 1, .period = 1h, .burst = 1}};
    CHECK_FALSE(both(bucket, other, 1, Clock::now()));
}

TEST_CASE("docs/token-bucket.md: time") {
    //[time
    TokenBucket bucket{{.tokens = 10, .period = 1s, .burst = 20}};
    TimePoint now{1h};
    CHECK(bucket.try_acquire(20, now));
    CHECK(bucket.try_acquire(1, now) == Admission::refuse(100ms));
    CHECK(bucket.try_acquire(1, now + 100ms));
    CHECK(bucket.snapshot(now + 1s).available == 9);
    //]
}

TEST_CASE("docs/token-bucket.md: more") {
    const TimePoint now{1h};
    //[more
    TokenBucket bucket{{.tokens = 100, .period = 1s, .burst = 100, .max_debt = 50}};

    const std::uint32_t part = bucket.acquire_up_to(150, now);  // as many as there are
    const Reservation later = bucket.reserve(20, now, 500ms);   // wait, then act
    const auto repaid = bucket.charge(10, now);  // what it has cost, known afterwards
    //]
    CHECK(part == 100);
    CHECK(later.wait == 200ms);
    CHECK(repaid == 300ms);
    //[refund
    const bool all_back = bucket.refund(later, now);  // not used after all
    //]
    CHECK(all_back);
}

TEST_CASE("docs/token-bucket.md: wait") {
    namespace net = boost::asio;
    using resilience::async_acquire;
    using resilience::Result;
    net::io_context context;
    resilience::testing::VirtualTime time{context};
    int sent = 0;
    const auto send = [&]() -> net::awaitable<void> {
        ++sent;
        co_return;
    };
    //[wait
    TokenBucket bucket{{.tokens = 10, .period = 1s, .burst = 1, .max_debt = 5}};

    auto send_in_turn = [&]() -> net::awaitable<Result<void>> {
        const Result<void> turn = co_await async_acquire(bucket, 1, {.max_wait = 300ms});
        if (!turn) co_return turn.error();  // rate_limited, with retry_after
        co_await send();
        co_return turn;
    };
    //]
    std::chrono::nanoseconds retry_after{0};
    for (int i = 0; i < 5; ++i) {
        net::co_spawn(
            context,
            [&]() -> net::awaitable<void> {
                const Result<void> result = co_await send_in_turn();
                if (!result) retry_after = result.error().retry_after;
            },
            net::detached
        );
    }
    const TimePoint start = time.now();
    time.run();
    CHECK(sent == 4);
    CHECK(retry_after == 100ms);
    CHECK(time.now() - start == 300ms);
}

TEST_CASE("docs/token-bucket.md: reconfigure") {
    const TimePoint now{1h};
    //[reconfigure
    TokenBucket bucket{{.tokens = 10, .period = 1s, .burst = 10}};
    bucket.try_acquire(4, now);

    auto options = bucket.options();
    options.burst = 40;
    bucket.reconfigure(options, resilience::TokenCarry::proportional, now);
    CHECK(bucket.snapshot(now).available == 24);
    //]
}

TEST_CASE("docs/token-bucket.md: striped") {
    //[striped
    resilience::StripedTokenBucket bucket{
        {.limit = {.tokens = 50'000'000, .period = 1s, .burst = 1'000'000}}};
    const bool admitted = bucket.try_acquire().admitted;
    //]
    CHECK(admitted);
    CHECK(bucket.stripes() > 0);
}
