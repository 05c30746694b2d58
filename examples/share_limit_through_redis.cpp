// SPDX-License-Identifier: MIT
// Shows: two clients, as two processes would be, share one limit that is kept in Redis:
//        ten calls at once and one more each hour. Then a group of buckets from which all
//        is taken or nothing, and what the caller decides when Redis does not answer.
// Run:   REDIS_ADDR=127.0.0.1:6379 example_share_limit_through_redis
// Prints:
//   alice is admitted 10 times of 12, by whichever client
//   alice may ask again within the hour: yes
//   twenty at once never fit: never
//   alice and the team together: refused, and the team keeps 10
//   after a reset alice has 10
//   without Redis: the server could not be reached, so this caller refuses
#include <resilience/redis/token_bucket_store.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace net = boost::asio;
namespace redis = resilience::redis;
using resilience::Admission;

namespace {

// A limiter fails open or closed by the choice of its caller; this one fails closed.
net::awaitable<bool> may_call(redis::TokenBucketStore& store, std::string key) {
    const auto decision = co_await store.async_consume(key);
    if (!decision) {
        std::fprintf(stderr, "limiter: %s\n", decision.error().message().c_str());
        co_return false;
    }
    co_return decision->admission.admitted;
}

net::awaitable<void> share(
    redis::TokenBucketStore& here, redis::TokenBucketStore& there
) {
    co_await here.async_reset("alice");
    co_await here.async_reset("team");

    int admitted = 0;
    for (int turn = 0; turn < 6; ++turn) {
        if (co_await may_call(here, "alice")) ++admitted;
        if (co_await may_call(there, "alice")) ++admitted;
    }
    std::printf("alice is admitted %d times of 12, by whichever client\n", admitted);

    const auto later = (co_await there.async_check("alice")).value();
    const bool soon = later.admission.retry_after <= std::chrono::hours{1};
    std::printf("alice may ask again within the hour: %s\n", soon ? "yes" : "no");

    const auto many = (co_await here.async_consume("alice", 20)).value();
    const bool never = many.admission.retry_after == Admission::never;
    std::printf("twenty at once never fit: %s\n", never ? "never" : "later");

    std::vector<redis::BucketRequest> group;
    group.push_back({.key = "team", .tokens = 1});
    group.push_back({.key = "alice", .tokens = 1});
    const auto both = (co_await there.async_consume_all(std::move(group))).value();
    const auto team = (co_await here.async_check("team")).value();
    std::printf(
        "alice and the team together: %s, and the team keeps %d\n",
        both.admission ? "admitted" : "refused",
        static_cast<int>(team.remaining)
    );

    co_await there.async_reset("alice");
    const auto fresh = (co_await here.async_check("alice")).value();
    std::printf("after a reset alice has %d\n", static_cast<int>(fresh.remaining));
}

net::awaitable<void> without_redis(redis::TokenBucketStore& store) {
    const auto decision = co_await store.async_consume("alice");
    std::printf(
        "without Redis: %s, so this caller refuses\n",
        decision ? "admitted?" : decision.error().code.message().c_str()
    );
}

}  // namespace

int main() {
    const char* address = std::getenv("REDIS_ADDR");
    const auto options =
        redis::with_address(address != nullptr ? address : "127.0.0.1:6379");
    const redis::TokenBucketStoreOptions limit{
        .tokens = 1,
        .period = std::chrono::hours{1},
        .burst = 10,
        .prefix = "example:calls:",
    };

    net::io_context io;
    redis::Connection one(io.get_executor(), options);
    redis::Connection two(io.get_executor(), options);
    redis::Connection nowhere(io.get_executor(), redis::with_address("127.0.0.1:1"));
    redis::TokenBucketStore here(one, limit);
    redis::TokenBucketStore there(two, limit);
    redis::TokenBucketStore lost(nowhere, limit);

    const auto work = [&]() -> net::awaitable<void> {
        co_await share(here, there);
        co_await without_redis(lost);
    };
    int status = 0;
    net::co_spawn(io, work, [&](std::exception_ptr error) {
        status = error ? 1 : 0;
        io.stop();
    });
    io.run();
    return status;
}
