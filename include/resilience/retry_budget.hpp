// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RETRY_BUDGET_HPP
#define RESILIENCE_RETRY_BUDGET_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/budget_law.hpp>
#include <resilience/detail/live_settings.hpp>
#include <resilience/detail/sync.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace resilience {

/// Settings of a @ref RetryBudget.
struct RetryBudgetOptions {
    /// Retries of transient failures that each call pays for. 0 to 1; default 0.1: one
    /// retry for ten calls.
    double ratio = 0.1;

    /// Retries of transient failures that each second pays for, so that a client with few
    /// calls may retry at all. Added up over all clients it should be little to the peer.
    /// 0 to 1000; default 1.
    double min_per_sec = 1.0;

    /// Most tokens that are saved up. 1 to 1,000,000; default 500.
    std::uint32_t cap = 500;

    /// Tokens that a new budget holds. At most @ref cap; default 70.
    std::uint32_t initial = 70;

    /// Tokens that a retry after a transient failure costs, and a hedge. 1 to 1000, at
    /// most @ref cap; default 14.
    std::uint32_t transient_cost = 14;

    /// Tokens that a retry costs after the peer asked for fewer calls, which costs the
    /// peer less. 1 to 1000, at most @ref cap; default 5.
    std::uint32_t throttled_cost = 5;

    /// Share of the cost that comes back when a retry succeeds. 0 to 1; default 0.5.
    double success_refund = 0.5;

    friend bool operator==(const RetryBudgetOptions&, const RetryBudgetOptions&) =
        default;
};

/// What is in a @ref RetryBudget at one instant.
struct RetryBudgetSnapshot {
    static constexpr const char* kind = "retry_budget";

    /// Tokens.
    double available = 0;

    /// Retries of transient failures that could be paid for at once.
    std::uint32_t retries = 0;

    /// Times that the options were replaced by others than were in force before. 1,000
    /// is the most.
    std::uint32_t reconfigured = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const RetryBudgetSnapshot& s, Visit&& visit) {
    visit("available", s.available);
    visit("retries", s.retries);
    visit("reconfigured_total", s.reconfigured);
}

class RetryBudget;

/** Holds what was withdrawn for one attempt until it is known what became of it.

    An attempt that never went out gets everything back, one that succeeded a part, one
    that failed nothing. A lease that holds nothing costs nothing and answers false.

    @par Object lifetimes
    The budget must outlive its leases.
*/
class [[nodiscard]] BudgetLease {
public:
    /// Holds nothing: the first attempt of a call, or a call without a budget.
    BudgetLease() noexcept = default;

    BudgetLease(BudgetLease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          cost_(other.cost_),
          sent_(other.sent_) {}

    BudgetLease& operator=(BudgetLease&& other) noexcept {
        BudgetLease taken{std::move(other)};
        std::swap(budget_, taken.budget_);
        std::swap(cost_, taken.cost_);
        std::swap(sent_, taken.sent_);
        return *this;
    }

    /// Refunds everything unless @ref sent was called: the wait or the attempt was
    /// cancelled before anything went out.
    ~BudgetLease() {
        if (budget_ != nullptr && !sent_) refund(cost_);
    }

    /// The attempt goes out now: from here on its cost is spent, whatever happens to it.
    void sent() noexcept { sent_ = true; }

    /// Ends the lease of an attempt that went out: a part of the cost comes back if the
    /// peer did its work, all of it if a local limit refused the attempt after all.
    void done(Verdict verdict) && noexcept;

    /// Whether anything is held.
    [[nodiscard]] explicit operator bool() const noexcept { return budget_ != nullptr; }

private:
    friend class RetryBudget;

    BudgetLease(RetryBudget& budget, std::uint32_t cost) noexcept
        : budget_(&budget), cost_(cost) {}

    void refund(std::uint32_t amount) noexcept;

    RetryBudget* budget_ = nullptr;
    std::uint32_t cost_ = 0;  // thousandths of a token
    bool sent_ = false;
};

/** Bounds the load that retries and hedges add: a share of the calls, plus a reserve.

    Each call deposits `ratio` times the cost of a retry, each second `min_per_sec` times;
    each retry and each hedge withdraws. When most calls fail, retries stop instead of
    multiplying the load of a peer that is overloaded already; when few fail, each is
    retried. Over any stretch of time, what was withdrawn and not refunded is never more
    than was there at its beginning plus what calls and time brought, exactly, whatever
    the threads do.

    A retry withdraws before it waits, so retries that wait count, and none waits only to
    be refused. Share one budget among all calls to one peer, hedges too.

    All that changes is one 64-bit word. While the budget is full, as it is when nothing
    fails, a deposit writes nothing.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe; all but @ref reconfigure are lock-free.
    A refusal writes nothing.

    @par Example
    @code
    RetryBudget budget{{.ratio = 0.2}};
    budget.deposit();  // once for each call
    BudgetLease lease = budget.try_withdraw(Verdict::transient);  // before the wait
    if (!lease) return failure;
    @endcode
*/
class alignas(64) RetryBudget {
public:
    /** Makes a budget that holds `initial` tokens.
        @param now The current time; the budget counts for 146 years from it.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    explicit RetryBudget(
        const RetryBudgetOptions& options = {}, TimePoint now = Clock::now()
    );

    RetryBudget(const RetryBudget&) = delete;
    RetryBudget& operator=(const RetryBudget&) = delete;

    /// Adds what one call brings. Called once for each call, before its first attempt.
    void deposit(TimePoint now = Clock::now()) noexcept {
        const Settings& s = settings_.get();
        const std::int64_t clock = s.clock(now);
        std::int64_t zero = zero_.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t next = s.law.deposited(zero, clock);
            if (next == zero) return;
            if (exchange(zero, next)) return;
        }
    }

    /** Pays for one more attempt, or not. Never waits.

        @param cause How the last attempt ended; a hedge names transient.
        @return A lease that is false if there is not enough.
    */
    BudgetLease try_withdraw(Verdict cause, TimePoint now = Clock::now()) noexcept {
        const Settings& s = settings_.get();
        const std::uint32_t cost =
            cause == Verdict::throttled ? s.throttled_cost : s.transient_cost;
        const std::int64_t clock = s.clock(now);
        std::int64_t zero = zero_.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t next = s.law.withdrawn(zero, clock, cost);
            if (next > clock) return {};
            if (exchange(zero, next)) return {*this, cost};
        }
    }

    /// Tells what could be withdrawn. Takes nothing.
    RetryBudgetSnapshot snapshot(TimePoint now = Clock::now()) const noexcept {
        const Settings& s = settings_.get();
        const std::int64_t zero = zero_.load(std::memory_order_relaxed);
        const std::int64_t balance =
            std::max<std::int64_t>(0, s.law.balance(zero, s.clock(now)));
        return {
            .available = static_cast<double>(balance) / detail::BudgetLaw::kToken,
            .retries = static_cast<std::uint32_t>(balance / s.transient_cost),
            .reconfigured = settings_.replaced()};
    }

    /// The options in force.
    RetryBudgetOptions options() const noexcept { return settings_.get().options; }

    /** Replaces the options of a budget in use, `initial` excepted, which is for new
        ones. Does nothing if they are those in force.

        What is saved up stays, as far as it fits under the new cap; nothing is added.
        Calls on their way may still be judged by the old options.

        What is replaced, less than 200 bytes, is kept until the budget is destroyed,
        since calls may be reading it, so it is refused after a thousand times. Options
        that were in force before cost nothing, unless `min_per_sec` or `transient_cost`
        was changed since.

        @param now The current time, from which the new reserve counts.
        @throws std::invalid_argument Names the field that is out of range; nothing has
            changed then.
        @throws std::length_error The options were replaced 1,000 times by others than
            were in force before; nothing has changed then.
        @throws std::bad_alloc
    */
    void reconfigure(const RetryBudgetOptions& options, TimePoint now = Clock::now());

private:
    friend class BudgetLease;

    /// What the options mean. Costs are in thousandths of a token.
    struct Settings {
        Settings(const RetryBudgetOptions& o, std::int64_t from);

        /// What the reserve has brought by then. Goes on where it stood when the options
        /// were replaced, so that the word means the same before and after.
        std::int64_t clock(TimePoint now) const noexcept {
            return clock_at(detail::nanoseconds_of(now));
        }
        std::int64_t clock_at(std::int64_t ns) const noexcept {
            return brought + law.clock(ns - origin);
        }

        /// An instant at which other settings may take over.
        std::int64_t later(TimePoint now) const noexcept {
            return origin_at(std::max(origin, detail::nanoseconds_of(now)));
        }

        /// The settings by other options from `now` on. The clock that both have in
        /// common goes on.
        Settings changed(const RetryBudgetOptions& to, TimePoint now) const {
            Settings next{to, origin};
            next.brought = brought;
            if (next.law.reserve != law.reserve) {
                next.origin = later(now);
                next.brought = clock_at(next.origin);
            }
            return next;
        }

        // All the rest follows from these.
        bool operator==(const Settings& other) const noexcept {
            return options == other.options && origin == other.origin &&
                   brought == other.brought;
        }

        detail::BudgetLaw law;
        std::int64_t origin;       // nanoseconds
        std::int64_t brought = 0;  // until the origin
        std::uint32_t transient_cost;
        std::uint32_t throttled_cost;
        std::uint32_t refund_share;  // of a token
        RetryBudgetOptions options;
    };

    static const RetryBudgetOptions& checked(const RetryBudgetOptions& options);

    static std::int64_t origin_at(std::int64_t ns) noexcept {
        return std::clamp(ns, -detail::kTimeLimit / 2, detail::kTimeLimit / 2);
    }

    // Nothing but the word itself depends on the word, so no order is needed.
    bool exchange(std::int64_t& zero, std::int64_t next) noexcept {
        return zero_.compare_exchange_weak(zero, next, std::memory_order_relaxed);
    }

    void give_back(std::uint32_t amount) noexcept {
        std::int64_t zero = zero_.load(std::memory_order_relaxed);
        while (!exchange(zero, detail::BudgetLaw::refunded(zero, amount))) {
        }
    }

    detail::Atomic<std::int64_t> zero_;
    detail::LiveSettings<Settings> settings_;
};

inline const RetryBudgetOptions& RetryBudget::checked(const RetryBudgetOptions& options) {
    const auto require = [](bool ok, const char* what) {
        if (!ok) throw std::invalid_argument{what};
    };
    require(
        options.ratio >= 0.0 && options.ratio <= 1.0,
        "RetryBudgetOptions::ratio must be 0 to 1"
    );
    require(
        options.min_per_sec >= 0.0 && options.min_per_sec <= 1000.0,
        "RetryBudgetOptions::min_per_sec must be 0 to 1000"
    );
    require(
        options.cap >= 1 && options.cap <= 1'000'000,
        "RetryBudgetOptions::cap must be 1 to 1000000"
    );
    require(
        options.initial <= options.cap,
        "RetryBudgetOptions::initial must not be more than cap"
    );
    require(
        options.transient_cost >= 1 && options.transient_cost <= 1000 &&
            options.transient_cost <= options.cap,
        "RetryBudgetOptions::transient_cost must be 1 to 1000 and not more than cap"
    );
    require(
        options.throttled_cost >= 1 && options.throttled_cost <= 1000 &&
            options.throttled_cost <= options.cap,
        "RetryBudgetOptions::throttled_cost must be 1 to 1000 and not more than cap"
    );
    require(
        options.success_refund >= 0.0 && options.success_refund <= 1.0,
        "RetryBudgetOptions::success_refund must be 0 to 1"
    );
    return options;
}

inline RetryBudget::Settings::Settings(const RetryBudgetOptions& o, std::int64_t from)
    : origin(from),
      transient_cost(o.transient_cost * 1000),
      throttled_cost(o.throttled_cost * 1000),
      refund_share(static_cast<std::uint32_t>(o.success_refund * 1000.0 + 0.5)),
      options(o) {
    const double cost = transient_cost;
    law = {
        .cap = std::int64_t{o.cap} * detail::BudgetLaw::kToken,
        .deposit = static_cast<std::int64_t>(o.ratio * cost + 0.5),
        .reserve = static_cast<std::int64_t>(o.min_per_sec * cost + 0.5)};
}

inline RetryBudget::RetryBudget(const RetryBudgetOptions& options, TimePoint now)
    : zero_(-std::int64_t{options.initial} * detail::BudgetLaw::kToken),
      settings_(Settings{checked(options), origin_at(detail::nanoseconds_of(now))}) {}

inline void RetryBudget::reconfigure(const RetryBudgetOptions& options, TimePoint now) {
    checked(options);
    const auto changed = [&](const Settings& old) { return old.changed(options, now); };
    settings_.replace(changed, [&](const Settings& old, const Settings&) {
        // What went beyond the old cap is lost: a higher one must not bring it back.
        const std::int64_t clock = old.clock_at(old.later(now));
        std::int64_t zero = zero_.load(std::memory_order_relaxed);
        while (!exchange(zero, old.law.edge(zero, clock))) {
        }
    });
}

inline void BudgetLease::done(Verdict verdict) && noexcept {
    sent_ = true;
    if (budget_ == nullptr) return;
    switch (verdict) {
        case Verdict::success:
        case Verdict::slow:
        case Verdict::client_error:
            refund(cost_ / 1000 * budget_->settings_.get().refund_share);
            break;
        case Verdict::ignored:
            refund(cost_);
            break;
        default:
            break;
    }
    budget_ = nullptr;
}

inline void BudgetLease::refund(std::uint32_t amount) noexcept {
    if (amount > 0) budget_->give_back(amount);
}

}  // namespace resilience

#endif
