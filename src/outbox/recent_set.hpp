// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_RECENT_SET_HPP
#define RESILIENCE_SRC_OUTBOX_RECENT_SET_HPP

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

namespace resilience {

/// The numbers that were added last. Pure.
class RecentSet {
public:
    explicit RecentSet(std::size_t most) : most_(most) {}

    bool contains(std::uint64_t number) const { return set_.contains(number); }

    /// @return Whether the oldest one was forgotten for it.
    bool add(std::uint64_t number) {
        if (!set_.insert(number).second) return false;
        if (order_.size() < most_) {
            order_.push_back(number);
            return false;
        }
        set_.erase(order_[next_]);
        order_[next_] = number;
        next_ = (next_ + 1) % most_;
        return true;
    }

private:
    std::size_t most_;
    std::unordered_set<std::uint64_t> set_;
    // A ring once it is full.
    std::vector<std::uint64_t> order_;
    std::size_t next_ = 0;
};

}  // namespace resilience

#endif
