// SPDX-License-Identifier: MIT
#include <resilience/asio/timeout.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <resilience/timeout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stop_token>

namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using namespace resilience;

net::awaitable<Result<int>> fetch_row() {
    Timer timer{co_await net::this_coro::executor};
    const Result<void> waited = co_await timer.async_wait_until(timer.now() + 1h);
    if (!waited) co_return fail(Errc::cancelled_in_doubt);
    co_return 42;
}

Result<int> poll_once() { return 42; }

//[await
net::awaitable<Result<int>> row_in_time(Timeout<>& timeout) {
    Result<int> row = co_await co_with_timeout(timeout, fetch_row);
    if (!row && row.error() == Errc::timed_out_in_doubt) {
        // Too slow. fetch_row() was cancelled and has ended; its effect may have
        // happened.
    }
    co_return row;
}
//]

//[thread
Result<int> poll_in_time(Timeout<>& timeout, std::stop_token stop) {
    return timeout.run(
        [](TimePoint deadline, std::stop_token stopped) -> Result<int> {
            while (Clock::now() < deadline && !stopped.stop_requested()) {
                if (Result<int> row = poll_once()) return row;
            }
            return fail(Errc::cancelled);
        },
        stop
    );
}
//]

//[observe
struct Slowness {
    void on(const CallTimedOut&) noexcept { ++timed_out; }

    std::atomic<int> timed_out{0};
};
//]

}  // namespace

TEST_CASE("docs/timeout.md") {
    net::io_context context;
    testing::VirtualTime time{context};

    //[make
    Timeout timeout{{.limit = 200ms}};
    //]

    bool late = false;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            const Result<int> row = co_await row_in_time(timeout);
            late = !row && row.error() == Errc::timed_out_in_doubt;
        },
        net::detached
    );
    time.run();
    CHECK(late);
    CHECK(poll_in_time(timeout, {}).value() == 42);

    boost::system::error_code error;
    const auto done = [&](boost::system::error_code e) { error = e; };
    net::steady_timer socket{context, net::steady_timer::time_point::max()};
    //[token
    async_with_timeout(
        socket.get_executor(), timeout, socket.async_wait(net::deferred), done
    );
    //]
    time.run();
    CHECK(std::error_code{error} == Errc::timed_out_in_doubt);

    {
        //[detach
        Timeout impatient{{.limit = 200ms, .detach_after = 50ms}};
        //]
        CHECK(impatient.snapshot().still_running == 0);
    }

    //[reconfigure
    Slowness slowness;
    Timeout<Slowness&> watched{{.limit = 200ms}, slowness};
    watched.reconfigure({.limit = 500ms});  // for the calls that begin from now on
    //]
    watched.judge_late({Verdict::abandoned});
    CHECK(slowness.timed_out == 1);
}
