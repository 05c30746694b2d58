// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_FAILED_AS_HPP
#define RESILIENCE_DETAIL_FAILED_AS_HPP

#include <resilience/classify.hpp>
#include <resilience/error.hpp>

#include <concepts>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace resilience::detail {

/// A type of result in which a @ref Failure, or at least its code, has a place.
template <class R>
concept CarriesFailure = ExpectedLike<R> &&
    (std::constructible_from<R, Failure> || std::constructible_from<R, std::error_code>);

/// The failure as an exception, for results that have no place for it.
inline std::system_error exception_of(const Failure& failure) {
    return failure.detail.empty() ? std::system_error{failure.code}
                                  : std::system_error{failure.code, failure.detail};
}

/// Makes the result that says `failure`, or throws it where none can.
template <class R>
R failed_as(Failure failure) {
    if constexpr (ExpectedLike<R> && std::constructible_from<R, Failure>) {
        return R(std::move(failure));
    } else if constexpr (CarriesFailure<R>) {
        return R(failure.code);
    } else {
        throw exception_of(failure);
    }
}

/// Whether `result` has a place for a failure and holds one.
template <class R>
bool holds_failure(const R& result) {
    if constexpr (ExpectedLike<R>) {
        return !result.has_value();
    } else {
        return false;
    }
}

/// Any function object's result, with `void` as a value.
struct Nothing {};

template <class F, class... Args>
auto invoke_as_value(F&& f, Args&&... args) {
    using R = std::invoke_result_t<F, Args...>;
    if constexpr (std::is_void_v<R>) {
        std::forward<F>(f)(std::forward<Args>(args)...);
        return Nothing{};
    } else {
        return std::forward<F>(f)(std::forward<Args>(args)...);
    }
}

}  // namespace resilience::detail

#endif
