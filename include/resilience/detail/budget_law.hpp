// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BUDGET_LAW_HPP
#define RESILIENCE_DETAIL_BUDGET_LAW_HPP

#include <algorithm>
#include <cstdint>

namespace resilience::detail {

/** Decides for a retry budget, in integers alone.

    All there is to know is one number, the `zero`: what the budget's clock will show, or
    has shown, when it is empty. The clock counts what the reserve brings, so the balance
    is `clock - zero`, at most `cap`. A withdrawal raises the zero, a deposit lowers it.
    An older clock only sees less.

    The unit is a thousandth of a token.
*/
struct BudgetLaw {
    static constexpr std::int64_t kToken = 1000;

    std::int64_t cap = 0;      // most there can be
    std::int64_t deposit = 0;  // what one call brings
    std::int64_t reserve = 0;  // what a second brings, at most 2^30

    /// What the reserve has brought by then.
    constexpr std::int64_t clock(std::int64_t since) const noexcept {
        constexpr std::int64_t kSecond = 1'000'000'000;
        return since / kSecond * reserve + since % kSecond * reserve / kSecond;
    }

    /// The zero as it counts now: what went beyond the cap is lost.
    constexpr std::int64_t edge(std::int64_t zero, std::int64_t clock) const noexcept {
        return std::max(zero, clock - cap);
    }

    constexpr std::int64_t balance(std::int64_t zero, std::int64_t clock) const noexcept {
        return clock - edge(zero, clock);
    }

    /// The zero after one more call. Equal to the argument if the budget is full.
    constexpr std::int64_t deposited(std::int64_t zero, std::int64_t clock)
        const noexcept {
        const std::int64_t full = clock - cap;
        return zero <= full ? zero : std::max(zero - deposit, full);
    }

    /// The zero after a withdrawal. There is enough for it if it is not after `clock`.
    constexpr std::int64_t withdrawn(
        std::int64_t zero, std::int64_t clock, std::int64_t cost
    ) const noexcept {
        return edge(zero, clock) + cost;
    }

    /// The zero after some of a withdrawal came back. What goes beyond the cap is lost
    /// later.
    static constexpr std::int64_t refunded(
        std::int64_t zero, std::int64_t amount
    ) noexcept {
        return zero - amount;
    }
};

}  // namespace resilience::detail

#endif
