// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_FALLBACK_HPP
#define RESILIENCE_ASIO_FALLBACK_HPP

#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/fallback.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace resilience {

namespace detail {

template <class T>
inline constexpr bool is_awaitable = requires {
    typename AwaitedBy<T>::type;
};

/// The alternative of `fallback`, awaited if it is a coroutine.
template <class R, class A, class S, class O>
net::awaitable<R> co_provide(Fallback<A, S, O>& fallback, const FallbackCause& cause) {
    using Begun = std::remove_cvref_t<decltype(fallback.begin(cause))>;
    if constexpr (!is_awaitable<Begun>) {
        co_return static_cast<R>(fallback.begin(cause));
    } else if constexpr (std::is_void_v<R>) {
        co_await fallback.begin(cause);
    } else {
        auto value = co_await fallback.begin(cause);
        co_return static_cast<R>(std::move(value));
    }
}

}  // namespace detail

/** Runs a coroutine, and the alternative of `fallback` if it fails in a way that is
    selected.

    @param work Called once as `net::awaitable<T> work()`.
    @return What it returned, or the alternative: a `T`, or a coroutine of one.
    @throws What `work` threw, if it is not selected; what the alternative or the
   selection threw.

    @par Cancellation
    A call that its caller cancelled ends as it ends, with no alternative.

    @par Object lifetimes
    `fallback` outlives the call.
*/
template <class Alternative, class Select, class Observer, class Work>
auto co_with_fallback(Fallback<Alternative, Select, Observer>& fallback, Work work)
    -> net::awaitable<detail::Awaited<Work>> {
    using R = detail::Awaited<Work>;
    std::optional<detail::AwaitedValue<Work>> result;
    std::optional<FallbackCause> cause;
    std::exception_ptr thrown;
    try {
        if constexpr (std::is_void_v<R>) {
            co_await work();
            co_return;
        } else {
            auto value = co_await work();
            result.emplace(std::move(value));
        }
    } catch (...) {
        thrown = std::current_exception();
    }
    const auto state = co_await net::this_coro::cancellation_state;
    if (state.cancelled() == net::cancellation_type::none) {
        cause = thrown ? fallback.wanted(detail::in_std_terms(thrown))
                       : fallback.wanted(*result);
    }
    if (cause) {
        try {
            if constexpr (std::is_void_v<R>) {
                co_await detail::co_provide<R>(fallback, *cause);
                co_return;
            } else {
                R value = co_await detail::co_provide<R>(fallback, *cause);
                if (detail::holds_failure(value)) fallback.count_failed();
                co_return value;
            }
        } catch (...) {
            fallback.count_failed();
            throw;
        }
    }
    if (thrown) std::rethrow_exception(thrown);
    if constexpr (!std::is_void_v<R>) co_return std::move(*result);
}

}  // namespace resilience

#endif
