// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TRANSACTION_REST_HPP
#define RESILIENCE_SRC_KAFKA_TRANSACTION_REST_HPP

#include <algorithm>
#include <chrono>

namespace resilience::kafka::detail {

/** Learns how long a producer rests after a commit so that its next transaction is not
    put off. Pure.

    A commit is answered before the cluster has ended the transaction in all of its
    partitions, and a transaction that begins meanwhile is put off, for longer than a rest
    takes. When the cluster is done depends on it and on its load, so the rest moves
    towards the span after which one transaction in twenty is still put off.
*/
class TransactionRest {
public:
    using Span = std::chrono::nanoseconds;

    /// @param longest Zero: never rests.
    explicit TransactionRest(Span longest) noexcept : longest_(longest) {}

    /// Notes a transaction that began `gap` after the end of the one before it. One that
    /// was put off says that the rest is too short unless it did not rest, or came when
    /// no rest would have been long enough; one that was not, that it may be too long,
    /// unless it came late.
    void note(Span gap, bool put_off) noexcept {
        const bool says_nothing =
            put_off ? gap < value_ || gap >= longest_ : gap > value_ + late;
        if (says_nothing) return;
        value_ += put_off ? step : -step / 20;
        value_ = std::clamp(value_, Span{0}, longest_);
    }

    /// How long to rest now.
    Span value() const noexcept { return value_; }

private:
    static constexpr Span step = std::chrono::microseconds{500};
    static constexpr Span late = std::chrono::milliseconds{2};

    Span longest_;
    Span value_{};
};

}  // namespace resilience::kafka::detail

#endif
