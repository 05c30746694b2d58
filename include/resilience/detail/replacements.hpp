// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_REPLACEMENTS_HPP
#define RESILIENCE_DETAIL_REPLACEMENTS_HPP

#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cstdint>
#include <stdexcept>

namespace resilience::detail {

/// Counts settings that took the place of others and are kept to the end, and bounds
/// them. Changed by one thread at a time, read by any.
class Replacements {
public:
    static constexpr std::uint32_t kMost = 1000;

    /// @throws std::length_error There were as many as may be.
    void demand_room() const {
        if (count() >= kMost) {
            throw std::length_error{"the options were replaced 1000 times by others"};
        }
    }

    void add() noexcept { count_.store(count() + 1, std::memory_order_relaxed); }

    std::uint32_t count() const noexcept {
        return count_.load(std::memory_order_relaxed);
    }

private:
    Atomic<std::uint32_t> count_{0};
};

}  // namespace resilience::detail

#endif
