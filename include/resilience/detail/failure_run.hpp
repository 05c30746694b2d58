// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_FAILURE_RUN_HPP
#define RESILIENCE_DETAIL_FAILURE_RUN_HPP

#include <resilience/detail/breaker_word.hpp>
#include <resilience/detail/is_later.hpp>
#include <resilience/detail/sync.hpp>

#include <cstdint>
#include <limits>

namespace resilience::detail {

/// Counts the failures of one generation since its last success. A success after a
/// success writes nothing.
class FailureRun {
public:
    void record(Generation generation, bool failure) noexcept {
        std::uint64_t seen = word_.load();
        for (;;) {
            const std::uint64_t next = recorded(seen, generation, failure);
            if (next == seen || word_.compare_exchange_weak(seen, next)) return;
        }
    }

    std::uint32_t length(Generation generation) const noexcept {
        const std::uint64_t word = word_.load();
        return generation_of(word) == generation ? length_of(word) : 0;
    }

    /// Ends the run if it is of `generation`.
    void forget(Generation generation) noexcept {
        std::uint64_t seen = word_.load();
        while (generation_of(seen) == generation && length_of(seen) > 0 &&
               !word_.compare_exchange_weak(seen, std::uint64_t{generation} << 32)) {
        }
    }

private:
    static constexpr Generation generation_of(std::uint64_t word) noexcept {
        return static_cast<Generation>(word >> 32);
    }
    static constexpr std::uint32_t length_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word);
    }

    static constexpr std::uint64_t recorded(
        std::uint64_t word, Generation generation, bool failure
    ) noexcept {
        const std::uint64_t none = std::uint64_t{generation} << 32;
        if (generation_of(word) != generation) {
            // Another generation counts as none: only a failure has to say so.
            const bool is_stale =
                length_of(word) > 0 &&
                is_later(generation_of(word), generation, BreakerWord::kGenerations);
            return failure && !is_stale ? none + 1 : word;
        }
        if (!failure) return none;
        return length_of(word) == std::numeric_limits<std::uint32_t>::max() ? word
                                                                            : word + 1;
    }

    Atomic<std::uint64_t> word_{0};
};

}  // namespace resilience::detail

#endif
