// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CLASSIFY_HPP
#define RESILIENCE_CLASSIFY_HPP

#include <resilience/error.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <system_error>

namespace resilience {

/// What the end of a call says about the peer, in the eyes of every policy.
enum class Verdict : std::uint8_t {
    /// The peer did what it was asked.
    success,
    /// A success that took longer than a policy's limit for slow calls. Made by policies
    /// that measure; no classification yields it.
    slow,
    /// The peer works and answered that the request itself is wrong, or asks for what is
    /// not there. Repeating it is useless, and the peer is well.
    client_error,
    /// A failure that a later attempt may not meet.
    transient,
    /// The peer asked for fewer calls. A failure that is retried at a slower pace.
    throttled,
    /// A failure that repeating does not cure.
    permanent,
    /// The call was not made, or its end says nothing about the peer: no policy counts
    /// it.
    ignored,
    /// The caller gave the call up before its end was known.
    abandoned
};

/// Whether the peer failed.
constexpr bool is_failure(Verdict v) noexcept {
    return v == Verdict::transient || v == Verdict::throttled || v == Verdict::permanent;
}

/// What a policy wants to know of the end of a call.
struct Classification {
    Verdict verdict = Verdict::success;

    /// Whether the effect may have happened although the call did not succeed. What is
    /// in doubt is repeated only if the operation is idempotent.
    bool in_doubt = false;

    /// Time after which the call may succeed, if the peer or a policy told so (such as
    /// `Retry-After`); else zero.
    std::chrono::nanoseconds retry_after{0};

    friend constexpr bool operator==(const Classification&, const Classification&) =
        default;
};

/// A type that holds a value or an error, such as `std::expected` or
/// `boost::system::result`.
template <class T>
concept ExpectedLike = requires(const T& result) {
    { result.has_value() } -> std::convertible_to<bool>;
    result.error();
};

namespace detail {

inline Classification classify_errc(Errc e) noexcept {
    const bool in_doubt = is_in_doubt(e);
    switch (e) {
        case Errc::cancelled:
        case Errc::cancelled_in_doubt:
            return {Verdict::abandoned, in_doubt};
        case Errc::queue_full:
        case Errc::circuit_open:
        case Errc::rate_limited:
        case Errc::bulkhead_full:
        case Errc::shed:
        case Errc::closed:
            return {Verdict::ignored};
        case Errc::already_exists:
        case Errc::not_found:
        case Errc::invalid_request:
        case Errc::too_large:
        case Errc::bad_destination:
            return {Verdict::client_error};
        default:
            return {is_retryable(e) ? Verdict::transient : Verdict::permanent, in_doubt};
    }
}

inline Classification classify_code(std::error_code code) noexcept {
    if (!code) return {};
    if (code.category() == error_category()) {
        return classify_errc(static_cast<Errc>(code.value()));
    }
    for (const std::errc unsent :
         {std::errc::connection_refused,
          std::errc::host_unreachable,
          std::errc::network_unreachable,
          std::errc::network_down,
          std::errc::resource_unavailable_try_again,
          std::errc::device_or_resource_busy,
          std::errc::too_many_files_open,
          std::errc::no_buffer_space,
          std::errc::not_connected}) {
        if (code == unsent) return {Verdict::transient};
    }
    for (const std::errc sent :
         {std::errc::timed_out,
          std::errc::connection_reset,
          std::errc::connection_aborted,
          std::errc::broken_pipe,
          std::errc::interrupted,
          std::errc::operation_canceled}) {
        if (code == sent) return {Verdict::transient, true};
    }
    return {Verdict::permanent};
}

template <class T>
concept CustomClassified = requires(const T& value) {
    { resilience_classify(value) } -> std::same_as<Classification>;
};

struct Classify {
    template <class T>
    Classification operator()(const T& end) const {
        if constexpr (CustomClassified<T>) {
            return resilience_classify(end);
        } else if constexpr (std::convertible_to<const T&, std::exception_ptr>) {
            return exception(end);
        } else if constexpr (std::convertible_to<const T&, std::error_code>) {
            return classify_code(end);
        } else if constexpr (ExpectedLike<T>) {
            return end.has_value() ? Classification{} : failure(end.error());
        } else {
            return {};
        }
    }

private:
    template <class E>
    Classification failure(const E& error) const {
        Classification c{};
        if constexpr (std::same_as<E, std::errc>) {
            c = classify_code(std::make_error_code(error));
        } else {
            c = (*this)(error);
        }
        // Nobody said that this error is a success: it is only not known.
        if (!CustomClassified<E> && c.verdict == Verdict::success) {
            c.verdict = Verdict::permanent;
        }
        return c;
    }

    static Classification exception(const std::exception_ptr& thrown) noexcept {
        if (!thrown) return {};
        try {
            std::rethrow_exception(thrown);
        } catch (const std::system_error& e) {
            return classify_code(e.code());
        } catch (...) {
            return {Verdict::permanent};
        }
    }
};

}  // namespace detail

/// Classifies a @ref Failure like its code, with its hint.
inline Classification resilience_classify(const Failure& failure) noexcept {
    Classification c = detail::classify_code(failure.code);
    c.retry_after = failure.retry_after;
    return c;
}

/** Tells what the end of a call says about the peer: `classify(end)`.

    `end` is what an operation returned or threw:
    - a type with a function `Classification resilience_classify(const T&)` in its
      namespace: what that function says. This is the one point to customise;
    - an error code, of `std` or convertible to it: by @ref Errc or `std::errc`. An
      `operation_canceled` is a failure, because whoever asked for a cancellation
      knows of it;
    - a `std::exception_ptr`: a `std::system_error` by its code, all else is permanent;
    - a type like `std::expected`: success, or its `error()` by these rules; an error
      that these rules do not know, such as a text or an enumeration, is permanent;
    - anything else, also a number or a `bool`: success.
*/
inline constexpr detail::Classify classify{};

}  // namespace resilience

#endif
