// SPDX-License-Identifier: MIT
#include <resilience/asio/chaos.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/chaos.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

Result<int> query() { return 42; }

net::awaitable<Result<int>> async_query() { co_return 42; }

//[await
net::awaitable<Result<int>> query_in_bad_weather(Chaos<>& chaos) {
    co_return co_await co_with_chaos(chaos, async_query);
}
//]

}  // namespace

TEST_CASE("docs/chaos.md") {
    //[make
    Chaos chaos{
        {.fault_rate = 0.02,
         .fault = Errc::connection_lost,
         .latency_rate = 0.05,
         .latency = 200ms,
         .latency_spread = 800ms,
         .seed = 7}};
    //]
    chaos.reconfigure({});

    //[thread
    Result<int> row = chaos.run([] { return query(); });
    //]
    CHECK(row.value() == 42);

    //[outcome
    Chaos empty_answers{{.outcome_rate = 0.1}, [] { return Result<int>{0}; }};
    //]
    CHECK(empty_answers.enabled());

    //[switch
    chaos.enable(false);
    chaos.reconfigure({.fault_rate = 0.5});  // on again: `enabled` is an option
    //]
    CHECK(chaos.enabled());

    //[pure
    const ChaosAction action = chaos.decide(0x123456789abcdef);
    const bool fails = action.instead == ChaosAction::Instead::fault;
    //]
    CHECK(fails == (chaos.decide(0x123456789abcdef).instead != ChaosAction{}.instead));

    chaos.enable(false);
    net::io_context context;
    int value = 0;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            const Result<int> r = co_await query_in_bad_weather(chaos);
            value = r.value();
        },
        net::detached
    );
    context.run();
    CHECK(value == 42);
}
