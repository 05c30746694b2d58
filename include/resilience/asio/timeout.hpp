// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_TIMEOUT_HPP
#define RESILIENCE_ASIO_TIMEOUT_HPP

#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/detail/timed_operation.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/timeout.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace resilience {

/** Runs any asynchronous operation for no longer than `timeout` allows.

    At the limit the operation is cancelled with `terminal`, and awaited: the handler is
    called when both it and the timer are over. See @ref Timeout for what is reported.

    @param executor Runs the timer and the operation's handler. A strand over it does
        so where it is not known to run one handler at a time.
    @param operation Called once with a completion token: what `net::deferred` makes of an
        asynchronous function, or a lambda of one argument that returns what it calls with
        it.
    @param outer The deadline that the caller has himself.

    @par Completion signature
    That of `operation`. A timeout shows in the first argument, which is a `Result`, a
    `boost::system::error_code` or a `std::exception_ptr`.

    @par Errors
    @ref Errc::timed_out, @ref Errc::timed_out_in_doubt; those of the operation.

    @par Cancellation
    Handed on to the operation with its type, whose end is then reported as it is.

    @par Object lifetimes
    `timeout` outlives the call. What the operation refers to outlives the operation,
   which with `TimeoutOptions::detach_after` may be later.
*/
template <class Observer, class Operation, class CompletionToken = net::deferred_t>
auto async_with_timeout(
    const net::any_io_executor& executor,
    Timeout<Observer>& timeout,
    TimePoint outer,
    Operation operation,
    CompletionToken&& token = {}
) {
    if constexpr (detail::Initiates<Operation>) {
        using Signature = net::completion_signature_of_t<Operation>;
        return net::async_initiate<CompletionToken, Signature>(
            [](auto handler,
               const net::any_io_executor& ex,
               Timeout<Observer>* limits,
               TimePoint latest,
               Operation work) {
                using State = typename detail::SignatureOf<Signature>::
                    template Apply<detail::TimedOperation, Observer, decltype(handler)>;
                State::start(ex, *limits, std::move(handler), std::move(work), latest);
            },
            token,
            executor,
            &timeout,
            outer,
            std::move(operation)
        );
    } else {
        static_assert(
            sizeof(Operation) == 0,
            "the operation of async_with_timeout must take a completion token and return "
            "what it initiates: [&](auto token) { return async_call(std::move(token)); }"
        );
    }
}

/// As above, with no deadline but the timeout's own.
template <class Observer, class Operation, class CompletionToken = net::deferred_t>
auto async_with_timeout(
    const net::any_io_executor& executor,
    Timeout<Observer>& timeout,
    Operation operation,
    CompletionToken&& token = {}
) {
    return async_with_timeout(
        executor,
        timeout,
        TimePoint::max(),
        std::move(operation),
        std::forward<CompletionToken>(token)
    );
}

/** Runs a coroutine for no longer than `timeout` allows.

    As @ref async_with_timeout, on the caller's executor.

    @param work Called once as `net::awaitable<T> work()`. If `T` has no place for a
        @ref Failure, a timeout is thrown as `std::system_error`.
    @return What the coroutine returned, or threw.
*/
template <class Observer, class Work>
auto co_with_timeout(
    Timeout<Observer>& timeout, Work work, TimePoint outer = TimePoint::max()
) -> net::awaitable<detail::Awaited<Work>> {
    const net::any_io_executor executor =
        detail::serial(co_await net::this_coro::executor);
    detail::Spawned<Work> operation{executor, std::move(work)};
    auto value = co_await async_with_timeout(
        executor, timeout, outer, std::move(operation), net::use_awaitable
    );
    if constexpr (!std::is_void_v<detail::Awaited<Work>>) co_return std::move(*value);
}

}  // namespace resilience

#endif
