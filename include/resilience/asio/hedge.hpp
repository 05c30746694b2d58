// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_HEDGE_HPP
#define RESILIENCE_ASIO_HEDGE_HPP

#include <resilience/asio/detail/hedged_operation.hpp>
#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/hedge.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace resilience {

/** Runs any asynchronous operation, a second time beside the first if that is slow, and
    completes with the first answer.

    The attempts that lost are cancelled with `terminal`, and awaited: the handler is
   called when all of them and the timer are over.

    @param executor Runs the timer and the attempts' handlers. A strand over it does so
        where it is not known to run one handler at a time.
    @param operation Called once for each attempt as `operation(attempt, token)`, whose
   value is that of the asynchronous function it calls with the token; the
   first attempt being number 0. Attempts overlap: each has an object of its own to work
        on.

    @par Completion signature
    That of `operation`. How an attempt ended is told by the first argument, which is a
    `Result`, a `boost::system::error_code` or a `std::exception_ptr`.

    @par Errors
    Those of the operation.

    @par Cancellation
    Handed on to all attempts with its type; no further attempt is made.

    @par Object lifetimes
    `hedge` outlives the call.
*/
template <class Observer, class Operation, class CompletionToken = net::deferred_t>
auto async_with_hedge(
    const net::any_io_executor& executor,
    Hedge<Observer>& hedge,
    Operation operation,
    CompletionToken&& token = {}
) {
    if constexpr (detail::Initiates<Operation, std::uint32_t>) {
        using Signature = net::completion_signature_of_t<Operation, std::uint32_t>;
        return net::async_initiate<CompletionToken, Signature>(
            [](auto handler,
               const net::any_io_executor& ex,
               Hedge<Observer>* policy,
               Operation work) {
                using State = typename detail::SignatureOf<Signature>::template Apply<
                    detail::HedgedOperation,
                    Observer,
                    Operation,
                    decltype(handler)>;
                State::start(ex, *policy, std::move(handler), std::move(work));
            },
            token,
            executor,
            &hedge,
            std::move(operation)
        );
    } else {
        static_assert(
            sizeof(Operation) == 0,
            "the operation of async_with_hedge must take the attempt's number and a "
            "completion token, and return what it initiates: [&](std::uint32_t, auto "
            "token) { return async_call(std::move(token)); }"
        );
    }
}

namespace detail {

/// The coroutine of each attempt as an operation; `work` may want to know its number.
template <class Work>
struct SpawnedAttempts {
    template <class CompletionToken>
    auto operator()(std::uint32_t attempt, CompletionToken&& token) {
        if constexpr (std::invocable<Work&, std::uint32_t>) {
            return spawn(
                [this, attempt] { return work(attempt); },
                std::forward<CompletionToken>(token)
            );
        } else {
            return spawn([this] { return work(); }, std::forward<CompletionToken>(token));
        }
    }

    net::any_io_executor executor;
    Work work;

private:
    template <class Begin, class CompletionToken>
    auto spawn(Begin begin, CompletionToken&& token) {
        return net::co_spawn(
            executor,
            value_of<Begin>(std::move(begin)),
            std::forward<CompletionToken>(token)
        );
    }
};

template <class Work>
auto awaited_by_attempt() {
    if constexpr (std::invocable<Work&, std::uint32_t>) {
        return AwaitedBy<std::invoke_result_t<Work&, std::uint32_t>>{};
    } else {
        return AwaitedBy<std::invoke_result_t<Work&>>{};
    }
}

/// What a coroutine returns that may want to know the number of its attempt.
template <class Work>
using AwaitedAttempt = typename decltype(awaited_by_attempt<Work>())::type;

}  // namespace detail

/** Runs a coroutine, a second time beside the first if that is slow.

    As @ref async_with_hedge, on the caller's executor.

    @param work Called once for each attempt as `net::awaitable<T> work()`, or with its
        number as `work(std::uint32_t attempt)`.
    @return What the coroutine returned, or threw, that ended the call.
*/
template <class Observer, class Work>
auto co_with_hedge(Hedge<Observer>& hedge, Work work)
    -> net::awaitable<detail::AwaitedAttempt<Work>> {
    const net::any_io_executor executor =
        detail::serial(co_await net::this_coro::executor);
    detail::SpawnedAttempts<Work> operation{executor, std::move(work)};
    auto value = co_await async_with_hedge(
        executor, hedge, std::move(operation), net::use_awaitable
    );
    if constexpr (!std::is_void_v<detail::AwaitedAttempt<Work>>) {
        co_return std::move(*value);
    }
}

}  // namespace resilience

#endif
