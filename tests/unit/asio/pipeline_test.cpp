// SPDX-License-Identifier: MIT
#include <resilience/asio/pipeline.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <resilience/token_bucket.hpp>

#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

net::awaitable<Outcome<int>> wait_for(std::chrono::nanoseconds time) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    Timer timer{executor};
    const Result<void> waited = co_await timer.async_wait_until(timer.now() + time);
    if (!waited) co_return Outcome<int>{waited.error()};
    co_return Outcome<int>{1};
}

}  // namespace

TEST_CASE("a coroutine's attempts are retried in virtual time") {
    net::io_context context;
    testing::VirtualTime time{context};
    Pipeline pipeline{
        Deadline{10s},
        Retry{{.attempts = 3, .base = 1s, .jitter = Jitter::none}},
        Timeout{{.limit = 200ms}}};
    std::optional<Outcome<int>> result;
    async_run(
        context.get_executor(),
        pipeline,
        [](CallContext& c) { return wait_for(c.attempt < 3 ? 1s : 100ms); },
        [&](Outcome<int> r) { result = std::move(r); }
    );
    const TimePoint start = time.now();
    time.run();
    REQUIRE(result);
    CHECK(result->has_value());
    CHECK(time.now() - start == 200ms + 1s + 200ms + 2s + 100ms);
}
