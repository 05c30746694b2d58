// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_CHAOS_HPP
#define RESILIENCE_ASIO_CHAOS_HPP

#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/chaos.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience {

/** Runs a coroutine, or does to it what the dice of `chaos` say.

    @param work Called at most once as `net::awaitable<T> work()`.
    @return What it returned, or what was injected.
    @throws What `work` threw; `std::system_error` for a fault, where `T` has no place for
        a failure.

    @par Cancellation
    Ends an injected wait, and with it the call: by @ref Errc::cancelled.

    @par Object lifetimes
    `chaos` outlives the call.
*/
template <class Outcome, class Observer, class Work>
auto co_with_chaos(Chaos<Outcome, Observer>& chaos, Work work)
    -> net::awaitable<detail::Awaited<Work>> {
    using R = detail::Awaited<Work>;
    const ChaosAction action = chaos.next();
    if (action.latency.count() > 0) {
        Timer timer{co_await net::this_coro::executor};
        const TimePoint end = timer.now() + action.latency;
        const Result<void> waited =
            co_await timer.async_wait_until(end, net::use_awaitable);
        const auto state = co_await net::this_coro::cancellation_state;
        if (!waited || state.cancelled() != net::cancellation_type::none) {
            co_return detail::failed_as<R>(fail(Errc::cancelled));
        }
    }
    if (action.instead != ChaosAction::Instead::nothing) {
        co_return chaos.template make<R>(action.instead);
    }
    co_return co_await work();
}

}  // namespace resilience

#endif
