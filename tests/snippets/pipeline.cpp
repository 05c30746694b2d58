// SPDX-License-Identifier: MIT
#include <resilience/asio/pipeline.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

int rows_fetched = 0;

Outcome<int> fetch(TimePoint) { return ++rows_fetched; }

net::awaitable<Outcome<int>> co_fetch(TimePoint) { co_return Outcome<int>{42}; }

}  // namespace

TEST_CASE("docs: a pipeline on a thread") {
    //[make
    CircuitBreaker breaker;
    Bulkhead bulkhead{{.limit = 64}};
    RetryBudget budget;
    Pipeline orders{
        Deadline{800ms},
        Retry{{.attempts = 3, .base = 50ms}, &budget},
        breaker,
        bulkhead,
        Timeout{{.limit = 200ms}}};
    //]
    //[run
    const Outcome<int> row =
        orders.run([](CallContext& call) { return fetch(call.deadline); });
    if (!row && is_refusal(row.error().code)) {
        // No call was made; row.error().retry_after tells when to come back, if known.
    }
    //]
    CHECK(row.has_value());
}

TEST_CASE("docs: the same pipeline in coroutines") {
    net::io_context context;
    testing::VirtualTime time{context};
    CircuitBreaker breaker;
    Pipeline orders{Deadline{800ms}, breaker, Timeout{{.limit = 200ms}}};
    std::optional<Outcome<int>> row;
    //[token
    async_run(
        context.get_executor(),
        orders,
        [](CallContext& call) { return co_fetch(call.deadline); },
        [&](Outcome<int> result) { row = std::move(result); }
    );
    //]
    time.run();
    REQUIRE(row);
    CHECK(row->has_value());
}

TEST_CASE("docs: a pipeline in virtual time") {
    //[test
    testing::ManualClock clock;
    Random random{7};
    auto orders =
        Pipeline{
            Deadline{10s}, Retry{{.attempts = 3, .base = 1s, .jitter = Jitter::none}}}
            .with(testing::VirtualEnvironment{clock, random});
    const TimePoint start = clock.now();
    (void
    )orders.run([](CallContext&) -> Outcome<int> { return fail(Errc::unavailable); });
    CHECK(clock.now() - start == 3s);
    //]
}
