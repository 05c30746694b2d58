// SPDX-License-Identifier: MIT
#include <resilience/asio/hedge.hpp>
#include <resilience/hedge.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

net::awaitable<Result<int>> fetch_from(std::string server) {
    Timer timer{co_await net::this_coro::executor};
    const auto span = server == "one" ? 1s : 10ms;
    const Result<void> waited = co_await timer.async_wait_until(timer.now() + span);
    if (!waited) co_return fail(Errc::cancelled_in_doubt);
    co_return server == "one" ? 1 : 2;
}

//[await
net::awaitable<Result<int>> fetch(Hedge<>& hedge) {
    co_return co_await co_with_hedge(hedge, [] { return fetch_from("one"); });
}
//]

//[replicas
net::awaitable<Result<int>> fetch_from_any(Hedge<>& hedge) {
    static const std::array<std::string, 2> servers{"one", "two"};
    co_return co_await co_with_hedge(hedge, [](std::uint32_t attempt) {
        return fetch_from(servers[attempt % servers.size()]);
    });
}
//]

//[thread
Result<int> fetch_on_a_thread(net::thread_pool& others, Hedge<>& hedge) {
    return net::co_spawn(others, fetch_from_any(hedge), net::use_future).get();
}
//]

//[observe
struct HedgeCounts {
    void on(const HedgeStarted&) noexcept { ++started; }
    void on(const HedgeWon&) noexcept { ++won; }
    void on(const HedgeSuppressed&) noexcept { ++suppressed; }

    std::atomic<int> started{0}, won{0}, suppressed{0};
};
//]

}  // namespace

TEST_CASE("docs/hedge.md") {
    net::io_context context;
    testing::VirtualTime time{context};
    {
        //[make
        RetryBudget budget{{.ratio = 0.05}};
        Hedge hedge{{.delay = 50ms, .idempotent = true}, budget};
        //]
        CHECK(hedge.delay() == 50ms);
        //[quantile
        Hedge adaptive{
            {.quantile = 0.95, .max_delay = 500ms, .idempotent = true}, budget};
        //]
        CHECK(adaptive.snapshot().calls == 0);
        //[reconfigure
        HedgeOptions options = adaptive.options();
        options.quantile = 0.99;
        adaptive.reconfigure(options);
        //]
        CHECK(adaptive.options().max_delay == 500ms);
    }
    RetryBudget budget{{}, time.now()};
    Hedge hedge{{.delay = 50ms, .idempotent = true}, budget};
    int from_one = 0;
    int from_any = 0;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            const Result<int> one = co_await fetch(hedge);
            from_one = one.value();
            const Result<int> any = co_await fetch_from_any(hedge);
            from_any = any.value();
        },
        net::detached
    );
    time.run();
    CHECK(from_one == 1);
    CHECK(from_any == 2);

    net::thread_pool others{1};
    Hedge quick{{.delay = 1ms, .idempotent = true}, budget};
    CHECK(fetch_on_a_thread(others, quick).value() == 2);

    HedgeCounts counts;
    Hedge<HedgeCounts&> watched{{.idempotent = true}, budget, counts};
    watched.decide(1);
    CHECK(counts.won == 1);
}
