// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ERROR_HPP
#define RESILIENCE_ERROR_HPP

#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace resilience {

/** Why an operation failed.

    Each value answers two questions: may the same call be made again (@ref is_retryable),
    and may its effect have happened although it failed (@ref is_in_doubt)?
*/
enum class Errc {
    /// The server could not be reached; nothing was sent.
    unavailable = 1,
    /// The connection was lost after the request was sent; the effect may have happened.
    connection_lost,
    /// The deadline passed before anything was done.
    timed_out,
    /// The deadline passed while the answer was awaited; the effect may have happened.
    timed_out_in_doubt,
    /// The caller cancelled before the request was sent.
    cancelled,
    /// The caller cancelled after the request was sent; the effect may have happened.
    cancelled_in_doubt,
    /// A bounded queue has no room left.
    queue_full,
    /// The object was closed before or during the call.
    closed,
    /// The server refused the credentials or the permission.
    access_denied,
    /// A unique value exists already.
    already_exists,
    /// What was asked for does not exist.
    not_found,
    /// The server gave the transaction up for concurrency's sake; the same transaction
    /// may succeed.
    serialization_conflict,
    /// The request breaks a rule of the server or of this library; repeating it is
    /// useless.
    invalid_request,
    /// The message is larger than the destination takes.
    too_large,
    /// The destination (topic, table, key space) does not exist or refuses this kind of
    /// message.
    bad_destination,
    /// The disk is full or the store can only be read.
    storage_full,
    /// The peer answered with something that breaks its protocol.
    protocol_error,
    /// The stored data is not what this version can read.
    corrupt_data,
    /// A defect of the program: a condition that must not occur.
    internal,
    /// A circuit breaker is open; the call was not made.
    circuit_open,
    /// A rate limit has nothing left; the call was not made.
    rate_limited,
    /// Every slot of a bulkhead or concurrency limit is taken; the call was not made.
    bulkhead_full,
    /// The call was shed to protect an overloaded peer or queue; it was not made.
    shed,
    /// The transaction was given up whole; the same work may succeed in a new one.
    aborted,
    /// Another owner took over; this one can write nothing any more. What it sent last
    /// may have been committed before.
    fenced,
    /// The server's data are not the continuation of what was followed: restored,
    /// promoted or made anew. Somebody has to compare before anything goes on.
    history_changed
};

/// The last value of @ref Errc: they are those from 1 to this.
inline constexpr Errc last_errc = Errc::history_changed;

/// The category of @ref Errc; one sentence for each value.
inline const std::error_category& error_category() noexcept {
    class Category final : public std::error_category {
    public:
        const char* name() const noexcept override { return "resilience"; }
        std::string message(int value) const override {
            switch (static_cast<Errc>(value)) {
                case Errc::unavailable:
                    return "the server could not be reached";
                case Errc::connection_lost:
                    return "the connection was lost before the answer came";
                case Errc::timed_out:
                    return "the deadline passed before anything was done";
                case Errc::timed_out_in_doubt:
                    return "no answer came before the deadline";
                case Errc::cancelled:
                    return "the operation was cancelled before it was sent";
                case Errc::cancelled_in_doubt:
                    return "the operation was cancelled before its answer came";
                case Errc::queue_full:
                    return "the queue is full";
                case Errc::closed:
                    return "the object is closed";
                case Errc::access_denied:
                    return "the server refused the credentials or the permission";
                case Errc::already_exists:
                    return "the value exists already";
                case Errc::not_found:
                    return "no such thing was found";
                case Errc::serialization_conflict:
                    return "the transaction lost against a concurrent one";
                case Errc::invalid_request:
                    return "the request is invalid";
                case Errc::too_large:
                    return "the message is larger than the destination takes";
                case Errc::bad_destination:
                    return "the destination does not take the message";
                case Errc::storage_full:
                    return "the storage is full or read-only";
                case Errc::protocol_error:
                    return "the peer broke its protocol";
                case Errc::corrupt_data:
                    return "the stored data cannot be read";
                case Errc::internal:
                    return "internal error";
                case Errc::circuit_open:
                    return "the circuit breaker is open";
                case Errc::rate_limited:
                    return "the rate limit is reached";
                case Errc::bulkhead_full:
                    return "too many calls are in flight";
                case Errc::shed:
                    return "the call was shed under overload";
                case Errc::aborted:
                    return "the transaction was aborted";
                case Errc::fenced:
                    return "another owner took over";
                case Errc::history_changed:
                    return "the source does not continue the history that was followed";
            }
            return "unknown error";
        }
    };
    static const Category category;
    return category;
}

inline std::error_code make_error_code(Errc e) noexcept {
    return {static_cast<int>(e), error_category()};
}

/// Tells whether the same call may succeed later without a change by the caller. Codes of
/// other categories are not retryable.
inline bool is_retryable(std::error_code code) noexcept {
    if (code.category() != error_category()) return false;
    switch (static_cast<Errc>(code.value())) {
        case Errc::unavailable:
        case Errc::connection_lost:
        case Errc::timed_out:
        case Errc::timed_out_in_doubt:
        case Errc::queue_full:
        case Errc::serialization_conflict:
        case Errc::storage_full:
        case Errc::circuit_open:
        case Errc::rate_limited:
        case Errc::bulkhead_full:
        case Errc::shed:
        case Errc::aborted:
            return true;
        default:
            return false;
    }
}

/// Tells whether a limit of this process refused the call, so that it says nothing about
/// the peer: no policy counts it as a failure.
inline bool is_refusal(std::error_code code) noexcept {
    if (code.category() != error_category()) return false;
    switch (static_cast<Errc>(code.value())) {
        case Errc::queue_full:
        case Errc::circuit_open:
        case Errc::rate_limited:
        case Errc::bulkhead_full:
        case Errc::shed:
            return true;
        default:
            return false;
    }
}

/// Tells whether the effect may have happened although the call failed.
inline bool is_in_doubt(std::error_code code) noexcept {
    return code == make_error_code(Errc::connection_lost) ||
           code == make_error_code(Errc::timed_out_in_doubt) ||
           code == make_error_code(Errc::cancelled_in_doubt) ||
           code == make_error_code(Errc::protocol_error) ||
           code == make_error_code(Errc::fenced);
}

/// An error with the words of whoever reported it.
struct Failure {
    /// What kind of failure it is.
    std::error_code code;
    /// The server's or the system's own text; may be empty.
    std::string detail;
    /// Time after which the same call may succeed, when whoever refused it told so; zero
    /// when unknown.
    std::chrono::nanoseconds retry_after{0};

    /// The sentence of the code followed by the detail.
    std::string message() const {
        return detail.empty() ? code.message() : code.message() + ": " + detail;
    }

    friend bool operator==(const Failure& failure, Errc e) noexcept {
        return failure.code == make_error_code(e);
    }
};

/// Makes a @ref Failure of a known kind.
inline Failure fail(
    Errc e, std::string detail = {}, std::chrono::nanoseconds retry_after = {}
) {
    return {make_error_code(e), std::move(detail), retry_after};
}

}  // namespace resilience

template <>
struct std::is_error_code_enum<resilience::Errc> : std::true_type {};

#endif
