// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_FALLBACK_HPP
#define RESILIENCE_FALLBACK_HPP

#include <resilience/classify.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/failed_as.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace resilience {

/// Why a fallback is wanted.
struct FallbackCause {
    /// What the end of the call says about the peer.
    Classification classification;
    /// What the call failed with; without a code where its result or exception names
    /// none.
    Failure failure;
};

/// Told to observers: a fallback is used.
struct FallbackUsed {
    const FallbackCause& cause;
};

/// Selects failures of the peer and refusals by local limits: not answers, which
/// repeating does not change, and not calls that their caller gave up.
struct FailureOrRefusal {
    bool operator()(const FallbackCause& cause) const noexcept {
        const Verdict verdict = cause.classification.verdict;
        return is_failure(verdict) || verdict == Verdict::ignored;
    }
};

/// What a @ref Fallback did so far.
struct FallbackSnapshot {
    static constexpr const char* kind = "fallback";

    /// Times that it was used.
    std::uint64_t used = 0;
    /// Times that it threw or failed itself.
    std::uint64_t failed = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const FallbackSnapshot& s, Visit&& visit) {
    visit("used_total", s.used);
    visit("failed_total", s.failed);
}

namespace detail {

/// The failure in the end of a call, as far as it names one.
template <class T>
Failure failure_in(const T& end) {
    if constexpr (std::convertible_to<const T&, Failure>) {
        return end;
    } else if constexpr (std::convertible_to<const T&, std::error_code>) {
        return {.code = end, .detail = {}};
    } else if constexpr (ExpectedLike<T>) {
        return end.has_value() ? Failure{} : failure_in(end.error());
    } else {
        return {};
    }
}

inline Failure failure_in(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& e) {
        return {.code = e.code(), .detail = e.what()};
    } catch (const std::exception& e) {
        return {.code = {}, .detail = e.what()};
    } catch (...) {
        return {};
    }
}

}  // namespace detail

/** Puts something else in the place of a call that failed: a default, an old value, the
    answer of another server.

    It is the outermost policy, so that whatever refuses or fails within is caught.

    If the alternative itself throws, or returns a failure, that is what the caller gets,
    and it is counted; the alternative was told the cause and may keep it.

    @tparam Alternative A value; or a function object, of the cause or of no argument.
    @tparam Select `bool select(const FallbackCause&)`: whether the alternative is wanted.
        Not asked about successes.
    @tparam Observer Sees @ref FallbackUsed.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free, if calling the function
    objects is.

    @par Example
    @code
    Fallback stale{[&](const FallbackCause&) { return cache.last_known(id); }};
    Result<Price> price = stale.run([&] { return service.price(id); });
    @endcode
*/
template <class Alternative, class Select = FailureOrRefusal, class Observer = NoObserver>
class Fallback {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::fallback;

    explicit Fallback(Alternative alternative, Select select = {}, Observer observer = {})
        : alternative_(std::move(alternative)),
          select_(std::move(select)),
          observer_(std::forward<Observer>(observer)) {}

    /// Takes the other's place; no call may be under way.
    Fallback(Fallback&& other)
        : used_(other.used_.load(std::memory_order_relaxed)),
          failed_(other.failed_.load(std::memory_order_relaxed)),
          alternative_(std::move(other.alternative_)),
          select_(std::move(other.select_)),
          observer_(std::forward<Observer>(other.observer_)) {}

    Fallback(const Fallback&) = delete;
    Fallback& operator=(const Fallback&) = delete;

    /** Calls `work`, and the alternative if `work` fails in a way that is selected.

        @return What `work` returned, or the alternative made into that.
        @throws What `work` threw, if it is not selected; what the alternative or the
            selection threw.
    */
    template <class Work>
    std::invoke_result_t<Work&> run(Work&& work) {
        using R = std::invoke_result_t<Work&>;
        std::optional<FallbackCause> cause;
        try {
            if constexpr (std::is_void_v<R>) {
                return work();
            } else {
                R result = work();
                cause = wanted(result);
                if (!cause) return result;
            }
        } catch (...) {
            cause = wanted(std::current_exception());
            if (!cause) throw;
        }
        return provide<R>(*cause);
    }

    /// Judges the end of a call: why the alternative is wanted, or nothing. For shells.
    template <class End>
    std::optional<FallbackCause> wanted(const End& end) {
        return wanted(classify(end), [&end] { return detail::failure_in(end); });
    }

    /// The same for an end that is judged already; `failure()` names what failed.
    template <class Name>
    std::optional<FallbackCause> wanted(const Classification& c, const Name& failure) {
        if (c.verdict == Verdict::success || c.verdict == Verdict::slow) {
            return std::nullopt;
        }
        FallbackCause cause{c, failure()};
        if (!select_(std::as_const(cause))) return std::nullopt;
        return cause;
    }

    /// The alternative, as it comes: an `R`, or a coroutine of it. Counts the use. For
    /// shells.
    decltype(auto) begin(const FallbackCause& cause) {
        used_.fetch_add(1, std::memory_order_relaxed);
        detail::notify(observer_, FallbackUsed{cause});
        if constexpr (std::invocable<Alternative&, const FallbackCause&>) {
            return alternative_(cause);
        } else if constexpr (std::invocable<Alternative&>) {
            return alternative_();
        } else {
            return std::as_const(alternative_);
        }
    }

    /// Counts an alternative that failed. For shells.
    void count_failed() noexcept { failed_.fetch_add(1, std::memory_order_relaxed); }

    FallbackSnapshot snapshot() const noexcept {
        return {
            .used = used_.load(std::memory_order_relaxed),
            .failed = failed_.load(std::memory_order_relaxed)};
    }

private:
    template <class R>
    R provide(const FallbackCause& cause) {
        try {
            if constexpr (std::is_void_v<R>) {
                static_cast<void>(begin(cause));
            } else {
                R result = static_cast<R>(begin(cause));
                if (detail::holds_failure(result)) count_failed();
                return result;
            }
        } catch (...) {
            count_failed();
            throw;
        }
    }

    std::atomic<std::uint64_t> used_{0};
    std::atomic<std::uint64_t> failed_{0};
    Alternative alternative_;
    [[no_unique_address]] Select select_;
    [[no_unique_address]] Observer observer_;
};

}  // namespace resilience

#endif
