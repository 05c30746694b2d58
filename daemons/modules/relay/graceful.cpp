// SPDX-License-Identifier: MIT
#include <modules/relay/graceful.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <utility>

namespace resilience::modules::relay {

net::awaitable<void> run_gracefully(
    net::awaitable<void> work, std::function<void()> stop
) {
    // A strand where the App has many threads: what the two coroutines share is touched
    // on it alone.
    const auto strand = co_await net::this_coro::executor;
    net::steady_timer done(strand, net::steady_timer::time_point::max());
    std::exception_ptr error;
    bool finished = false;
    auto ended = [&](std::exception_ptr e) {
        error = e;
        finished = true;
        done.cancel();
    };
    net::co_spawn(strand, std::move(work), net::bind_executor(strand, std::move(ended)));
    (void)co_await done.async_wait(net::as_tuple(net::deferred));
    co_await net::this_coro::reset_cancellation_state(net::disable_cancellation{});
    stop();
    while (!finished) {
        (void)co_await done.async_wait(net::as_tuple(net::deferred));
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace resilience::modules::relay
