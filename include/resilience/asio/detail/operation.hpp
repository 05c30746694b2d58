// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_OPERATION_HPP
#define RESILIENCE_ASIO_DETAIL_OPERATION_HPP

#include <resilience/asio/detail/time_service.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/classify.hpp>
#include <resilience/detail/failed_as.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace resilience::detail {

/// An executor over `executor` that runs one handler at a time: itself where that is
/// known, else a strand.
inline net::any_io_executor serial(const net::any_io_executor& executor) {
    using OfContext = net::io_context::executor_type;
    using OfPool = net::thread_pool::executor_type;
    const bool known = time_source(executor) ||
                       executor.target<net::strand<net::any_io_executor>>() ||
                       executor.target<net::strand<OfContext>>() ||
                       executor.target<net::strand<OfPool>>();
    if (known) return executor;
    // Each copy of an erased strand over an erased executor would allocate.
    if (const auto* inner = executor.target<OfContext>()) return net::make_strand(*inner);
    if (const auto* inner = executor.target<OfPool>()) return net::make_strand(*inner);
    return net::make_strand(executor);
}

template <class T>
struct AwaitedBy {};

template <class T, class Executor>
struct AwaitedBy<net::awaitable<T, Executor>> {
    using type = T;
};

/// What a coroutine of function object `Work` returns.
template <class Work, class... Args>
using Awaited = typename AwaitedBy<std::invoke_result_t<Work&, Args...>>::type;

/// As @ref Awaited, but a value also where that is `void`.
template <class Work, class... Args>
using AwaitedValue = std::conditional_t<
    std::is_void_v<Awaited<Work, Args...>>,
    Nothing,
    Awaited<Work, Args...>>;

/// Runs `work` and keeps it until it has ended. The optional lets results that have no
/// default through Asio.
template <class Work>
net::awaitable<std::optional<AwaitedValue<Work>>> value_of(Work work) {
    if constexpr (std::is_void_v<Awaited<Work>>) {
        co_await work();
        co_return Nothing{};
    } else {
        co_return co_await work();
    }
}

/// The exception, with a Boost error code in the place where @ref classify looks for one.
inline std::exception_ptr in_std_terms(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        return std::make_exception_ptr(std::system_error{e.code(), e.what()});
    } catch (...) {
        return thrown;
    }
}

/// What the end of an operation says about the peer.
template <class T>
Classification classify_end(const T& end) {
    if constexpr (std::is_same_v<T, std::exception_ptr>) {
        return end ? classify(in_std_terms(end)) : Classification{};
    } else {
        return classify(end);
    }
}

/// A coroutine as an operation that takes a completion token.
template <class Work>
struct Spawned {
    template <class CompletionToken>
    auto operator()(CompletionToken&& token) {
        return net::co_spawn(
            executor,
            value_of<Work>(std::move(work)),
            std::forward<CompletionToken>(token)
        );
    }

    net::any_io_executor executor;
    Work work;
};

/// Reads and replaces what an operation ended with, given the arguments of its handler.
template <class... Args>
struct End;

template <>
struct End<> {
    static Classification classification() { return {}; }
};

/// The first argument tells how it ended.
template <class First, class... Rest>
struct End<First, Rest...> {
    using Values = std::tuple<First, Rest...>;

    static Classification classification(const First& first, const Rest&...) {
        return classify_end(first);
    }
    static void replace(Values& values, Failure failure) {
        std::get<0>(values) = failed(std::move(failure));
    }
    static Values make(Failure failure) {
        return Values{failed(std::move(failure)), Rest{}...};
    }

private:
    static First failed(Failure failure) {
        if constexpr (std::is_same_v<First, boost::system::error_code>) {
            return boost::system::error_code{failure.code};
        } else if constexpr (std::is_same_v<First, std::exception_ptr>) {
            return std::make_exception_ptr(exception_of(failure));
        } else {
            return failed_as<First>(std::move(failure));
        }
    }
};

/// A coroutine ends with an exception or a value, and the value may hold a failure.
template <class T>
struct End<std::exception_ptr, std::optional<T>> {
    using Values = std::tuple<std::exception_ptr, std::optional<T>>;

    static Classification classification(
        const std::exception_ptr& thrown, const std::optional<T>& value
    ) {
        return value ? classify(*value) : classify_end(thrown);
    }
    static void replace(Values& values, Failure failure) {
        values = make(std::move(failure));
    }
    static Values make(Failure failure) {
        if constexpr (CarriesFailure<T>) {
            return Values{nullptr, failed_as<T>(std::move(failure))};
        } else {
            return Values{std::make_exception_ptr(exception_of(failure)), std::nullopt};
        }
    }
};

/// Function objects that return what initiates an operation: called with `Before...` and
/// a completion token, they return what the asynchronous function does.
template <class Operation, class... Before>
concept Initiates = requires {
    typename std::invoke_result_t<
        Operation,
        Before...,
        net::detail::completion_signature_probe>::type;
};

/// A list of types, for deduction.
template <class Signature>
struct SignatureOf;

template <class... Args>
struct SignatureOf<void(Args...)> {
    using End = detail::End<std::decay_t<Args>...>;
    template <template <class...> class T, class... Before>
    using Apply = T<Before..., std::decay_t<Args>...>;
};

}  // namespace resilience::detail

#endif
