// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CANCELLED_RUNS_HPP
#define RESILIENCE_DETAIL_CANCELLED_RUNS_HPP

#include <resilience/detail/wrapping.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace resilience::detail {

/// Cancelled takings among all that was ever taken of a bucket: places there are counted
/// in units, and wrap around.
struct CancelledRun {
    std::int64_t begin;     // place of the first
    std::int64_t end;       // place after the last
    std::int64_t units;     // of those cancelled; the rest between is not, or not yet
    std::int64_t returned;  // units that came back
    std::int64_t start;     // nanoseconds; the latest for which one of them was promised
};

/** Remembers which takings were cancelled, so that the last of some that are cancelled
    together, in whatever order, gives back what all of them took.

    Takings that follow each other are one run. There is room for a few runs; when there
    are more, the two oldest become one, with what was not cancelled between them; but the
    oldest is forgotten if somebody was promised an earlier start for a later place, since
    it must have come back before. What is forgotten or never closed makes less come back.
*/
class CancelledRuns {
public:
    /// Forgets those who could all have started before `at`, in nanoseconds. What they
    /// have not got back is forfeited, and if they were kept, their places would be
    /// reached again one day.
    void forget_before(std::int64_t at) noexcept {
        const auto end = runs_.begin() + count_;
        const auto forgotten = std::remove_if(runs_.begin(), end, [at](const auto& run) {
            return run.start < at;
        });
        count_ = forgotten - runs_.begin();
    }

    void add(CancelledRun one) noexcept {
        std::ptrdiff_t kept = 0;
        for (std::ptrdiff_t i = 0; i < count_; ++i) {
            const CancelledRun& run = at(i);
            if (apart(run, one)) {
                at(kept++) = run;
            } else {
                one = together(run, one);
            }
        }
        std::ptrdiff_t place = kept;
        for (; place > 0 && distance(at(place - 1).begin, one.begin) < 0; --place) {
            at(place) = at(place - 1);
        }
        at(place) = one;
        count_ = kept + 1;
        if (count_ <= kMost) return;
        const bool overtaken =
            std::any_of(runs_.begin() + 1, runs_.end(), [this](const auto& run) {
                return run.start <= runs_[0].start;
            });
        if (!overtaken) at(1) = together(at(0), at(1));
        std::copy(runs_.begin() + 1, runs_.end(), runs_.begin());
        count_ = kMost;
    }

    /// Units that are still to come back if all that was taken since the last run began
    /// is cancelled; else zero.
    /// @param taken The place after all that was ever taken.
    std::int64_t owed(std::int64_t taken) const noexcept {
        if (count_ == 0) return 0;
        const CancelledRun& last = runs_[static_cast<std::size_t>(count_ - 1)];
        // A place that is told too low makes the difference larger, never smaller.
        return distance(last.begin, taken) == last.units ? last.units - last.returned : 0;
    }

private:
    static constexpr std::ptrdiff_t kMost = 8;

    static std::int64_t distance(std::int64_t from, std::int64_t to) noexcept {
        return (Wrapping{to} - from).value();
    }

    static bool apart(const CancelledRun& a, const CancelledRun& b) noexcept {
        return distance(a.end, b.begin) > 0 || distance(b.end, a.begin) > 0;
    }

    static CancelledRun together(const CancelledRun& a, const CancelledRun& b) noexcept {
        return {
            .begin = distance(a.begin, b.begin) < 0 ? b.begin : a.begin,
            .end = distance(a.end, b.end) < 0 ? a.end : b.end,
            .units = (Wrapping{a.units} + b.units).value(),
            .returned = (Wrapping{a.returned} + b.returned).value(),
            .start = std::max(a.start, b.start)};
    }

    CancelledRun& at(std::ptrdiff_t i) noexcept {
        return runs_[static_cast<std::size_t>(i)];
    }

    std::array<CancelledRun, kMost + 1>
        runs_{};  // from the oldest on, and one place more
    std::ptrdiff_t count_ = 0;
};

}  // namespace resilience::detail

#endif
