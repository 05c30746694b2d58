// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_REMOVAL_SWEEP_HPP
#define RESILIENCE_SRC_OUTBOX_REMOVAL_SWEEP_HPP

#include "seq_walk.hpp"

#include <resilience/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace resilience::detail {

/** Decides where to look for rows that have become old, and when. Pure.

    Each look begins at the first row that the last one left, so that it does not go
    through what is removed and not cleaned up yet; now and then at the first of the
    table.

    @par Thread safety
    Unsafe.
*/
class RemovalSweep {
public:
    RemovalSweep(
        std::chrono::milliseconds interval, std::chrono::milliseconds full_interval
    )
        : interval_(interval), full_interval_(full_interval) {}

    bool is_under_way() const noexcept { return walk_.has_value(); }
    /// When the next look is due, if none is under way.
    TimePoint next() const noexcept { return next_; }

    /// Begins a look if one is due. Returns whether one is under way.
    bool begin(TimePoint now) {
        if (walk_) return true;
        if (now < next_) return false;
        if (now >= next_full_) {
            swept_ = 0;
            next_full_ = now + full_interval_;
        }
        is_full_ = swept_ == 0;
        failed_ = 0;
        walk_.emplace(SeqRange{swept_, SeqRange::end});
        first_kept_ = 0;
        return true;
    }

    /// The rows that the next statement may touch, while a look is under way.
    SeqRange step() const noexcept { return walk_->step(); }

    /// Rows shown FAILED that the last look which began at the first row has found.
    std::size_t failed_rows() const noexcept { return failed_rows_; }

    /// A statement has looked at the first rows of the step, at most `limit`.
    void done(const DeliveredOutcome& outcome, std::size_t limit, TimePoint now) {
        if (outcome.first_kept > 0) keep(outcome.first_kept);
        failed_ += outcome.failed;
        const bool is_last = outcome.looked < limit;
        const bool is_end = is_last && step().is_open();
        if (is_last && !is_end) {
            walk_->done_to(step().to);
        } else if (outcome.looked > 0) {
            walk_->done_to(outcome.last_seq);
        }
        // Rows are about as old as their places tell: behind young ones are younger ones.
        if (is_end || 2 * outcome.young > outcome.looked) end(now);
    }

    /// The table refused the step. True: it was one row, which stays.
    bool refused() noexcept {
        const auto row = walk_->rest().after + 1;
        if (!walk_->refused()) return false;
        keep(row);
        return true;
    }

    /// Ends the look.
    void end(TimePoint now) {
        swept_ = first_kept_ > 0 ? first_kept_ - 1 : walk_->rest().after;
        if (is_full_) failed_rows_ = failed_;
        walk_.reset();
        next_ = now + interval_;
    }

    /// Gives the look up; the next one is due now and begins at the first row.
    void restart() noexcept {
        walk_.reset();
        next_ = next_full_ = {};
    }

private:
    void keep(std::int64_t seq) noexcept {
        if (first_kept_ == 0) first_kept_ = seq;
    }

    std::chrono::milliseconds interval_;
    std::chrono::milliseconds full_interval_;
    std::optional<SeqWalk> walk_;
    std::int64_t first_kept_ = 0;
    // All rows up to here are dealt with.
    std::int64_t swept_ = 0;
    bool is_full_ = false;
    std::size_t failed_ = 0;
    std::size_t failed_rows_ = 0;
    TimePoint next_{};
    TimePoint next_full_{};
};

}  // namespace resilience::detail

#endif
