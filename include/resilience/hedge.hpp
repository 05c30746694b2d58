// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HEDGE_HPP
#define RESILIENCE_HEDGE_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/retry_budget.hpp>

#include <resilience/detail/hedge_law.hpp>
#include <resilience/detail/latency_histogram.hpp>
#include <resilience/detail/live_settings.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

namespace resilience {

/// Settings of a @ref Hedge.
struct HedgeOptions {
    /// Attempts in all, the first included. 2 to 16; default 2.
    std::uint32_t attempts = 2;

    /// How long an attempt may go unanswered before another one is made beside it; with a
    /// @ref quantile, until enough calls have been seen. Not negative, at most a day;
    /// default 100 ms. Should be what all but one in twenty calls take at most.
    std::chrono::nanoseconds delay = std::chrono::milliseconds{100};

    /// The share of the calls that take no longer than the delay, which then follows the
    /// calls of late. 0 (always @ref delay), or 0.5 to 0.999; default 0.
    double quantile = 0;

    /// Least delay that the quantile may yield. Not negative; default 1 ms.
    std::chrono::nanoseconds min_delay = std::chrono::milliseconds{1};

    /// Calls are not hedged while the quantile is more than this: when the peer is slow
    /// as a whole, doing it twice makes it slower. At least @ref min_delay, at most a
    /// day; default 10 s.
    std::chrono::nanoseconds max_delay = std::chrono::seconds{10};

    /// That doing it twice does no harm. The caller must say so: default false, which is
    /// refused.
    bool idempotent = false;

    /// Whether each call deposits into the budget. Default true; false where a retry
    /// around the hedge does so already.
    bool deposit = true;

    friend bool operator==(const HedgeOptions&, const HedgeOptions&) = default;
};

/// What a @ref Hedge did so far.
struct HedgeSnapshot {
    static constexpr const char* kind = "hedge";

    /// Calls that began.
    std::uint64_t calls = 0;
    /// Attempts that were made beside others.
    std::uint64_t hedges = 0;
    /// Calls whose end is that of such an attempt.
    std::uint64_t wins = 0;
    /// Attempts that the budget did not allow.
    std::uint64_t suppressed = 0;
    /// The delay of the next call; nothing while calls are not hedged.
    std::optional<std::chrono::nanoseconds> delay;
    /// Times that the options were replaced by others than were in force before. 1,000
    /// is the most.
    std::uint32_t reconfigured = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const HedgeSnapshot& s, Visit&& visit) {
    visit("calls_total", s.calls);
    visit("hedges_total", s.hedges);
    visit("wins_total", s.wins);
    visit("suppressed_total", s.suppressed);
    visit("reconfigured_total", s.reconfigured);
    if (s.delay) visit("delay_seconds", std::chrono::duration<double>(*s.delay).count());
}

/// Told to observers: an attempt is made beside others.
struct HedgeStarted {
    /// Its number; the first attempt of a call is 0.
    std::uint32_t attempt;
};

/// Told to observers: the budget did not allow an attempt.
struct HedgeSuppressed {
    std::uint32_t attempt;
};

/// Told to observers: the attempt beside others is the one whose end the caller gets.
struct HedgeWon {
    std::uint32_t attempt;
};

/** Makes a slow call a second time beside the first, and takes what comes first.

    For calls that are mostly quick and sometimes slow, for no reason of their own. Each
    attempt beside another is paid from the budget that retries use: when everything is
    slow, the load does not double. Without budget the call goes on with what it has.

    A failure is not hedged: it is for a retry around the hedge. As long as another
   attempt is under way it is waited for; when none is, the call ends with the failure of
   the first.

    The waiting is done by `async_with_hedge` and `co_with_hedge` of
    `<resilience/asio/hedge.hpp>`. When the caller gets the end of the call, the other
    attempts have been cancelled and have ended.

    There is no form for functions that block: one that lost could not be ended, so the
    caller would wait for the slow attempt or leave it behind with a thread. A thread
    waits for an asynchronous operation instead, as by `net::use_future`; or it retries
    after a short @ref Timeout, one attempt after the other.

    @tparam Observer Sees @ref HedgeStarted, @ref HedgeSuppressed and @ref HedgeWon.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe; all but @ref reconfigure are lock-free.

    @par Object lifetimes
    The budget outlives the hedge, which outlives its calls.
*/
template <class Observer = NoObserver>
class Hedge {
public:
    static constexpr PipelineStage pipeline_stage = PipelineStage::hedge;

    /// Latencies that are seen before the quantile counts.
    static constexpr std::uint32_t kLeastSamples = 100;

    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    Hedge(const HedgeOptions& options, RetryBudget& budget, Observer observer = {})
        : options_(checked(options)),
          budget_(budget),
          observer_(std::forward<Observer>(observer)) {}

    Hedge(const Hedge&) = delete;
    Hedge& operator=(const Hedge&) = delete;

    /// How long an attempt of a call goes unanswered before the next one; nothing while
    /// calls are not hedged.
    std::optional<std::chrono::nanoseconds> delay() const noexcept {
        const HedgeOptions& o = options_.get();
        const std::chrono::nanoseconds at{at_.load(std::memory_order_relaxed)};
        if (o.quantile == 0 || at < at.zero()) return o.delay;
        if (at > o.max_delay) return std::nullopt;
        return std::max(at, o.min_delay);
    }

    /// Counts a call that begins, and deposits for it. For shells, as all below.
    void begin(TimePoint now) noexcept {
        calls_.fetch_add(1, std::memory_order_relaxed);
        if (options_.get().deposit) budget_.deposit(now);
    }

    /// Pays for attempt number `attempt`, the first being 0, or not.
    BudgetLease try_start(std::uint32_t attempt, TimePoint now) noexcept {
        BudgetLease lease = budget_.try_withdraw(Verdict::transient, now);
        if (lease) {
            lease.sent();
            hedges_.fetch_add(1, std::memory_order_relaxed);
            detail::notify(observer_, HedgeStarted{attempt});
        } else {
            suppressed_.fetch_add(1, std::memory_order_relaxed);
            detail::notify(observer_, HedgeSuppressed{attempt});
        }
        return lease;
    }

    /// Learns how long the first attempt of a call took, or took at least.
    void record(std::chrono::nanoseconds latency) noexcept {
        const double quantile = options_.get().quantile;
        if (quantile == 0) return;
        latencies_.record(latency);
        const std::uint32_t n = latencies_.size();
        if (n >= kLeastSamples && n % 16 == 0) adapt(quantile);
    }

    /// Learns which attempt's end the caller gets.
    void decide(std::uint32_t attempt) noexcept {
        if (attempt == 0) return;
        wins_.fetch_add(1, std::memory_order_relaxed);
        detail::notify(observer_, HedgeWon{attempt});
    }

    /// The options in force.
    HedgeOptions options() const noexcept { return options_.get(); }

    /** Replaces the options of a hedge in use. Does nothing if they are those in force.

        Calls on their way keep the number of attempts that they began with; each attempt
        from now on waits for the new delay. What was learned of latencies stays, and
        yields the new quantile at once.

        What is replaced, less than 100 bytes, is kept until the hedge is destroyed, since
        calls may be reading it, so it is refused after a thousand times. Options that
        were in force before cost nothing.

        @throws std::invalid_argument Names the field that is out of range; nothing has
            changed then.
        @throws std::length_error The options were replaced 1,000 times by others than
            were in force before; nothing has changed then.
        @throws std::bad_alloc
    */
    void reconfigure(const HedgeOptions& options) {
        checked(options);
        const auto same = [&](const HedgeOptions&) { return options; };
        options_.replace(same, [&](const HedgeOptions& old, const HedgeOptions& next) {
            const bool other = next.quantile != old.quantile && next.quantile != 0;
            if (other && latencies_.size() >= kLeastSamples) adapt(next.quantile);
        });
    }

    HedgeSnapshot snapshot() const noexcept {
        return {
            .calls = calls_.load(std::memory_order_relaxed),
            .hedges = hedges_.load(std::memory_order_relaxed),
            .wins = wins_.load(std::memory_order_relaxed),
            .suppressed = suppressed_.load(std::memory_order_relaxed),
            .delay = delay(),
            .reconfigured = options_.replaced()};
    }

private:
    static constexpr std::int64_t kUnknown = -1;

    static const HedgeOptions& checked(const HedgeOptions& options);

    void adapt(double quantile) noexcept {
        at_.store(latencies_.quantile(quantile).count(), std::memory_order_relaxed);
    }

    detail::LiveSettings<HedgeOptions> options_;
    RetryBudget& budget_;
    std::atomic<std::int64_t> at_{kUnknown};  // the quantile, in nanoseconds
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> hedges_{0};
    std::atomic<std::uint64_t> wins_{0};
    std::atomic<std::uint64_t> suppressed_{0};
    detail::LatencyHistogram latencies_;
    [[no_unique_address]] Observer observer_;
};

template <class Observer>
const HedgeOptions& Hedge<Observer>::checked(const HedgeOptions& options) {
    const auto require = [](bool ok, const char* what) {
        if (!ok) throw std::invalid_argument{what};
    };
    constexpr std::chrono::nanoseconds none{0};
    constexpr std::chrono::nanoseconds most = std::chrono::hours{24};
    const double q = options.quantile;
    require(
        options.attempts >= 2 && options.attempts <= 16,
        "HedgeOptions::attempts must be 2 to 16"
    );
    require(
        options.delay >= none && options.delay <= most,
        "HedgeOptions::delay must be 0 to 24 h"
    );
    require(
        q == 0 || (q >= 0.5 && q <= 0.999),
        "HedgeOptions::quantile must be 0, or 0.5 to 0.999"
    );
    require(options.min_delay >= none, "HedgeOptions::min_delay must not be negative");
    require(
        options.max_delay >= options.min_delay && options.max_delay <= most,
        "HedgeOptions::max_delay must be min_delay to 24 h"
    );
    require(
        options.idempotent,
        "HedgeOptions::idempotent must be true: hedged calls are made more than once"
    );
    return options;
}

}  // namespace resilience

#endif
