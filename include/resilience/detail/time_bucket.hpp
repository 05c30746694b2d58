// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TIME_BUCKET_HPP
#define RESILIENCE_DETAIL_TIME_BUCKET_HPP

#include <resilience/call_window.hpp>

#include <resilience/detail/is_later.hpp>

#include <cstdint>

namespace resilience::detail {

/** What one bucket of a time window holds, in 64 bits:
    `[generation:6 | lap:16 | calls:14 | failures:14 | slow:14]`.

    The tag (generation and lap) says which calls the counts are of, so that a roll-over,
    a reset and a count are all one exchange of one word: a bucket whose tag is not wanted
    counts as empty.
*/
class TimeBucket {
public:
    /// The most that a bucket counts; all counts are then halved, so that their ratios
    /// stay.
    static constexpr std::uint32_t kMost = (1u << 14) - 1;

    static constexpr std::uint64_t kGenerations = 1u << 6;

    /// A tag that is ahead of the clock by no more laps than this is that of a thread
    /// that read the clock later; further ahead, one so old that its number came round.
    static constexpr std::uint32_t kLead = 16;

    explicit constexpr TimeBucket(std::uint64_t bits = 0) noexcept : bits_{bits} {}

    constexpr TimeBucket(
        std::uint64_t generation, std::uint64_t lap, const CallCounts& c
    ) noexcept
        : bits_{
              (generation % kGenerations) << 58 | (lap & 0xffff) << 42 |
              std::uint64_t{c.calls} << 28 | std::uint64_t{c.failures} << 14 | c.slow} {}

    constexpr std::uint64_t bits() const noexcept { return bits_; }

    constexpr CallCounts counts() const noexcept {
        return {field(28), field(14), field(0)};
    }

    constexpr bool is_of(std::uint64_t generation) const noexcept {
        return (bits_ >> 58) == (generation % kGenerations);
    }

    constexpr bool is_of(std::uint64_t generation, std::uint64_t lap) const noexcept {
        return (bits_ >> 42) == ((generation % kGenerations) << 16 | (lap & 0xffff));
    }

    /// The bucket after one more call; unchanged if the call is too old to count.
    constexpr TimeBucket recorded(
        std::uint64_t generation, std::uint64_t lap, CallOutcome outcome
    ) const noexcept {
        CallCounts c;
        if (is_of(generation, lap)) {
            c = counts();
            if (c.calls == kMost) c = {c.calls / 2, c.failures / 2, c.slow / 2};
        } else if (is_ahead_of(generation, lap)) {
            return *this;
        }
        ++c.calls;
        if (outcome.failure) ++c.failures;
        if (outcome.slow) ++c.slow;
        return {generation, lap, c};
    }

private:
    constexpr std::uint32_t field(int shift) const noexcept {
        return static_cast<std::uint32_t>(bits_ >> shift) & kMost;
    }

    constexpr bool is_ahead_of(std::uint64_t generation, std::uint64_t lap)
        const noexcept {
        if (counts().calls == 0) return false;
        if (!is_of(generation)) return is_later(bits_ >> 58, generation, kGenerations);
        const std::uint64_t laps = ((bits_ >> 42) - lap) & 0xffff;
        return laps <= kLead;
    }

    std::uint64_t bits_;
};

}  // namespace resilience::detail

#endif
