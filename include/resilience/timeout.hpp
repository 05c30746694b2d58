// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TIMEOUT_HPP
#define RESILIENCE_TIMEOUT_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/failed_as.hpp>
#include <resilience/detail/timeout_law.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace resilience {

/// Settings of a @ref Timeout.
struct TimeoutOptions {
    /// The longest time that a call may take before it is cancelled. Positive; default
    /// 1 s.
    std::chrono::nanoseconds limit = std::chrono::seconds{1};

    /// How long a cancelled call may go on before nobody waits for it any more and it is
    /// left running on its own. Not negative; default 0: it is waited for, however long.
    /// Asynchronous calls only, and not in a pipeline, which refuses it.
    std::chrono::nanoseconds detach_after{0};

    friend bool operator==(const TimeoutOptions&, const TimeoutOptions&) = default;
};

/// What became of the calls of a @ref Timeout so far.
struct TimeoutSnapshot {
    static constexpr const char* kind = "timeout";

    /// Calls that ended by @ref Errc::timed_out or @ref Errc::timed_out_in_doubt.
    std::uint64_t timed_out = 0;
    /// Calls that ended with an answer of their own although they went past the limit.
    std::uint64_t late = 0;
    /// Timed-out calls that were left running.
    std::uint64_t detached = 0;
    /// Calls that were left running and still are.
    std::uint64_t still_running = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const TimeoutSnapshot& s, Visit&& visit) {
    visit("timed_out_total", s.timed_out);
    visit("late_total", s.late);
    visit("detached_total", s.detached);
    visit("still_running", s.still_running);
}

/// Told to observers: a call was cancelled at its limit and has ended.
struct CallTimedOut {
    std::chrono::nanoseconds limit;
};

/// Told to observers: a call that was cancelled at its limit is left running.
struct CallDetached {
    std::chrono::nanoseconds limit;
    std::chrono::nanoseconds detach_after;
};

namespace detail {

/// Outlives the timeout as long as detached calls run.
struct TimeoutCounts {
    std::atomic<std::uint64_t> timed_out{0};
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> detached{0};
    std::atomic<std::uint64_t> still_running{0};
};

}  // namespace detail

/** Limits how long a call may take.

    A call that reaches its limit is cancelled, and then waited for: when the caller
    learns of the timeout, the call is over and holds nothing. Its end decides what is
    reported: an answer that comes all the same is handed on; what the cancellation broke
    off is @ref Errc::timed_out if nothing was sent, else @ref Errc::timed_out_in_doubt.

    This header has the form for threads, @ref run, where the work itself looks at the
    clock; `async_with_timeout` and `co_with_timeout` of `<resilience/asio/timeout.hpp>`
    cancel it.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe.

    @par Object lifetimes
    Outlives its calls, those that were detached excepted.
*/
template <class Observer = NoObserver>
class Timeout {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::timeout;

    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit Timeout(const TimeoutOptions& options = {}, Observer observer = {})
        : counts_(std::make_shared<detail::TimeoutCounts>()),
          observer_(std::forward<Observer>(observer)) {
        reconfigure(options);
    }

    /// Takes the other's place; no call may be under way.
    Timeout(Timeout&& other) noexcept
        : counts_(std::move(other.counts_)),
          limit_(other.limit_.load(std::memory_order_relaxed)),
          detach_after_(other.detach_after_.load(std::memory_order_relaxed)),
          observer_(std::forward<Observer>(other.observer_)) {}

    Timeout(const Timeout&) = delete;
    Timeout& operator=(const Timeout&) = delete;

    /// The instant at which a call that begins at `now` is cancelled: never later than
    /// `outer`, the deadline that the caller has himself.
    TimePoint deadline(TimePoint now = Clock::now(), TimePoint outer = TimePoint::max())
        const noexcept {
        return detail::deadline_of(now, options().limit, outer);
    }

    /** Calls `work`, which stops by itself at a deadline.

        @param work `R work(TimePoint deadline, std::stop_token stop)`. It gives up, with
            a failure or an exception, when the deadline has passed or a stop is
            requested; nothing interrupts it.
        @param stop The caller's own wish to stop.
        @param clock An object whose `now()` is the time.
        @param outer The deadline that the caller has himself.
        @return What `work` returned. If it failed past the deadline and no stop was
            requested, the failure becomes @ref Errc::timed_out or
            @ref Errc::timed_out_in_doubt, as does an exception, which is nested in a
            `std::system_error` then.
    */
    template <class Work, class TimeSource = Clock>
    auto run(
        Work&& work,
        std::stop_token stop = {},
        const TimeSource& clock = {},
        TimePoint outer = TimePoint::max()
    );

    TimeoutOptions options() const noexcept {
        return {
            std::chrono::nanoseconds{limit_.load(std::memory_order_relaxed)},
            std::chrono::nanoseconds{detach_after_.load(std::memory_order_relaxed)}};
    }

    /// Replaces the options for the calls that begin from now on.
    /// @throws std::invalid_argument As the constructor; nothing is changed then.
    void reconfigure(const TimeoutOptions& options) {
        if (options.limit.count() <= 0) {
            throw std::invalid_argument{"TimeoutOptions::limit must be positive"};
        }
        if (options.detach_after.count() < 0) {
            throw std::invalid_argument{
                "TimeoutOptions::detach_after must not be negative"};
        }
        limit_.store(options.limit.count(), std::memory_order_relaxed);
        detach_after_.store(options.detach_after.count(), std::memory_order_relaxed);
    }

    TimeoutSnapshot snapshot() const noexcept {
        return {
            .timed_out = counts_->timed_out.load(std::memory_order_relaxed),
            .late = counts_->late.load(std::memory_order_relaxed),
            .detached = counts_->detached.load(std::memory_order_relaxed),
            .still_running = counts_->still_running.load(std::memory_order_relaxed)};
    }

    /** Judges a call that went past its deadline, and counts it.

        For shells that cancel.

        @return What the call is said to have ended with; nothing when its own end stands.
    */
    std::optional<Errc> judge_late(const Classification& own) noexcept {
        const auto verdict = detail::end_past_deadline(own);
        auto& count = verdict ? counts_->timed_out : counts_->late;
        count.fetch_add(1, std::memory_order_relaxed);
        if (verdict) detail::notify(observer_, CallTimedOut{options().limit});
        return verdict;
    }

    /// Counts a call that is left running. The returned object is destroyed when it
    /// ends; it may outlive the timeout.
    std::shared_ptr<void> detach() {
        struct Running {
            explicit Running(std::shared_ptr<detail::TimeoutCounts> c)
                : counts(std::move(c)) {
                counts->still_running.fetch_add(1, std::memory_order_relaxed);
            }
            Running(const Running&) = delete;
            Running& operator=(const Running&) = delete;
            ~Running() { counts->still_running.fetch_sub(1, std::memory_order_relaxed); }

            std::shared_ptr<detail::TimeoutCounts> counts;
        };
        auto running = std::make_shared<Running>(counts_);
        counts_->timed_out.fetch_add(1, std::memory_order_relaxed);
        counts_->detached.fetch_add(1, std::memory_order_relaxed);
        const TimeoutOptions now = options();
        detail::notify(observer_, CallTimedOut{now.limit});
        detail::notify(observer_, CallDetached{now.limit, now.detach_after});
        return running;
    }

private:
    std::shared_ptr<detail::TimeoutCounts> counts_;
    std::atomic<std::int64_t> limit_{0};
    std::atomic<std::int64_t> detach_after_{0};
    [[no_unique_address]] Observer observer_;
};

template <class Observer>
template <class Work, class TimeSource>
auto Timeout<Observer>::run(
    Work&& work, std::stop_token stop, const TimeSource& clock, TimePoint outer
) {
    using R = std::invoke_result_t<Work, TimePoint, std::stop_token>;
    const TimePoint end = deadline(clock.now(), outer);
    const auto late = [&] { return clock.now() >= end && !stop.stop_requested(); };
    try {
        if constexpr (std::is_void_v<R>) {
            std::forward<Work>(work)(end, stop);
            if (late()) judge_late({});
            return;
        } else {
            R result = std::forward<Work>(work)(end, stop);
            if (!late()) return result;
            const auto verdict = judge_late(classify(result));
            if constexpr (detail::CarriesFailure<R>) {
                if (verdict) return detail::failed_as<R>(fail(*verdict));
            }
            return result;
        }
    } catch (...) {
        if (!late()) throw;
        const auto verdict = judge_late(classify(std::current_exception()));
        if (!verdict) throw;
        std::throw_with_nested(detail::exception_of(fail(*verdict)));
    }
}

}  // namespace resilience

#endif
