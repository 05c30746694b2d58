// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_INTERLEAVING_HPP
#define TESTS_UNIT_CORE_INTERLEAVING_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace resilience::testing {

/** Does what a thread would do, one use of an atomic at a time, without a thread.

    To go one step further, the work is done again from its beginning: what the atomics
    answered before is played back to it, and after the next use it is left by an
    exception. So the work must do the same whenever it is given the same answers.
*/
class Actor {
public:
    explicit Actor(std::function<void()> work) : work_{std::move(work)} {}

    /// Goes on for `n` uses of atomics at most; returns whether the work is done.
    bool advance(std::size_t n) {
        if (done_) return true;
        left_ = n;
        next_ = 0;
        Actor* const outer = std::exchange(current(), this);
        try {
            work_();
            done_ = true;
        } catch (const Paused&) {
        }
        current() = outer;
        return done_;
    }

    void finish() { advance(~std::size_t{0}); }

    /// Called by the atomics: performs `use`, plays it back, or leaves the work.
    template <class Use>
    static std::uint64_t act(Use use) {
        Actor* const self = current();
        if (self == nullptr) return use();
        if (self->next_ == self->answers_.size()) {
            if (self->left_ == 0) throw Paused{};
            --self->left_;
            self->answers_.push_back(use());
        }
        return self->answers_[self->next_++];
    }

private:
    struct Paused {};

    static Actor*& current() noexcept {
        static Actor* actor = nullptr;
        return actor;
    }

    std::function<void()> work_;
    std::vector<std::uint64_t> answers_;
    std::size_t next_ = 0;
    std::size_t left_ = 0;
    bool done_ = false;
};

/// Stands in the place of `std::atomic` where actors work; for 32 and 64 bits.
template <class T>
class ActedAtomic {
public:
    ActedAtomic(T value = {}) noexcept : value_{value} {}

    T load(std::memory_order = std::memory_order_seq_cst) const {
        return static_cast<T>(Actor::act([&] { return std::uint64_t{value_}; }));
    }
    void store(T value) {
        Actor::act([&] { return std::uint64_t{value_ = value}; });
    }
    bool compare_exchange_weak(T& seen, T next) {
        return compare_exchange_strong(seen, next);
    }
    bool compare_exchange_strong(T& seen, T next) {
        // One use: what was held before tells whether it was exchanged.
        const auto held = static_cast<T>(Actor::act([&] {
            const T before = value_;
            if (before == seen) value_ = next;
            return std::uint64_t{before};
        }));
        return std::exchange(seen, held) == held;
    }

private:
    T value_;
};

}  // namespace resilience::testing

#endif
