// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_PIPELINE_CALL_HPP
#define RESILIENCE_DETAIL_PIPELINE_CALL_HPP

#include <resilience/call_context.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/outcome.hpp>

#include <resilience/detail/result_place.hpp>
#include <resilience/detail/saturated_add.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace resilience::detail {

/// Types of `std::expected`'s kind, whose errors are wrapped to be told from values.
template <class R, class E>
concept WrapsError = requires {
    typename R::unexpected_type;
    requires std::constructible_from<typename R::unexpected_type, E>;
    requires std::constructible_from<R, typename R::unexpected_type>;
};

template <class R>
concept CustomRefusal = requires(const Failure& failure) {
    { resilience_refuse(std::type_identity<R>{}, failure) } -> std::same_as<R>;
};

/// Results that can say by themselves that a call was refused.
template <class R>
concept Refusable = CustomRefusal<R> || WrapsError<R, Failure> ||
    WrapsError<R, std::error_code> ||
    ((ExpectedLike<R> ||
      std::convertible_to<
          R,
          std::
              error_code>)&&(std::constructible_from<R, Failure> || std::constructible_from<R, std::error_code>)
    );

template <class R>
R refused(Failure failure) {
    if constexpr (CustomRefusal<R>) {
        return resilience_refuse(std::type_identity<R>{}, failure);
    } else if constexpr (WrapsError<R, Failure>) {
        return R{typename R::unexpected_type{std::move(failure)}};
    } else if constexpr (WrapsError<R, std::error_code>) {
        return R{typename R::unexpected_type{failure.code}};
    } else if constexpr (std::constructible_from<R, Failure>) {
        return R{std::move(failure)};
    } else {
        return R{failure.code};
    }
}

/// What a pipeline returns for an operation that returns `Raw`.
template <class Raw>
using ResultOf = std::conditional_t<Refusable<Raw>, Raw, Outcome<Raw>>;

/// How an attempt ended: with a result, or with what was thrown; and what that says.
template <class R>
struct Ended {
    ResultPlace<R> result{};
    std::exception_ptr thrown{};
    Classification end{};

    Ended() = default;

    explicit Ended(Failure failure) { refuse(std::move(failure)); }

    /// A policy refused what has not begun yet.
    void refuse(Failure failure) {
        end = classify(failure);
        result.fill([&failure] { return refused<R>(std::move(failure)); });
    }

    /// The same for a known reason.
    void refuse(Errc reason, std::chrono::nanoseconds retry_after) {
        end = classify_errc(reason);
        end.retry_after = retry_after;
        result.fill([&] { return refused<R>(fail(reason, {}, retry_after)); });
    }

    /// A policy puts a failure in the place of an end.
    void replace(Failure failure) {
        clear();
        refuse(std::move(failure));
    }

    /// Forgets an end, for another attempt.
    void clear() noexcept {
        result.clear();
        thrown = nullptr;
    }

    // So that policies which wrap whole calls judge it as if it were the result.
    bool has_value() const noexcept { return !thrown && !is_failure(end.verdict); }
    const Classification& error() const noexcept { return end; }
    friend Classification resilience_classify(const Ended& ended) noexcept {
        return ended.end;
    }

    R unwrap() && {
        if (thrown) std::rethrow_exception(std::move(thrown));
        return std::move(*result);
    }
};

/// One run of a pipeline. Stages read the time from `context.now`, which whoever waits or
/// ends an attempt brings up to date.
template <class R, class Environment, class Classifier>
struct Call {
    using Result = R;

    const Environment& environment;
    const Classifier& classifier;
    CallContext context;
    // For turns in stages: a part of the call's time in which the peer had none.
    std::chrono::nanoseconds waited{0};

    /// Reads the clock after a wait for a turn.
    void end_wait() {
        const TimePoint began = context.now;
        context.now = environment.now();
        waited += saturated_span(began, context.now);
    }

    /// Reads the clock and judges the end of an attempt. A failure after a request
    /// to stop says nothing about the peer.
    void judge(Ended<R>& ended, bool stopped) {
        context.now = environment.now();
        ended.end = ended.thrown ? classifier(ended.thrown) : classifier(*ended.result);
        if (stopped && is_failure(ended.end.verdict)) {
            ended.end.verdict = Verdict::abandoned;
        }
    }
};

/// Calls the operation and judges how it ended.
template <class Call, class Operation>
void attempt(Call& call, Ended<typename Call::Result>& ended, Operation& operation) {
    using R = typename Call::Result;
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Operation&, CallContext&>>) {
            operation(call.context);
            ended.result.fill([] { return R{}; });
        } else {
            ended.result.fill([&]() -> decltype(auto) {
                return operation(call.context);
            });
        }
    } catch (...) {
        ended.thrown = std::current_exception();
    }
    call.judge(ended, call.context.stop.stop_requested());
}

}  // namespace resilience::detail

#endif
