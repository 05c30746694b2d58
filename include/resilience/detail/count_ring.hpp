// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_COUNT_RING_HPP
#define RESILIENCE_DETAIL_COUNT_RING_HPP

#include <resilience/call_window.hpp>

#include <resilience/detail/count_word.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace resilience::detail {

/** The last so many calls, exactly, for any number of threads without a lock.

    A call is counted by one exchange of the word, and from then on it is in the window.
    Its slot is written afterwards, by whoever comes first: the thread that counted it, or
    the next one, which must not change the word before.

    @tparam Atomic `std::atomic`, or what a test puts in its place, which may throw.
*/
template <template <class> class Atomic>
class CountRing {
public:
    explicit CountRing(std::uint32_t size)
        : size_{size}, slots_{std::make_unique<Atomic<std::uint32_t>[]>(size)} {
        for (std::uint32_t i = 0; i < size; ++i) slots_[i].store(kUnused);
    }

    void record(std::uint32_t generation, CallOutcome outcome) {
        const std::uint32_t code = CountWord::code_of(outcome);
        std::uint64_t seen = word_.load();
        for (;;) {
            CountWord word = CountWord::unpack(seen);
            if (!word.is_of(generation)) {
                if (word.is_after(generation)) return;
                word = word.emptied(generation);
            } else if (code == 0 && word.calls == size_ && word.failures + word.slow == 0) {
                // Every slot says success, so where the ring begins makes no difference.
                return;
            }
            if (!settle(seen)) {
                seen = word_.load();
                continue;
            }
            const std::uint32_t oldest = slots_[word.ticket % size_].load() & 3;
            const std::uint64_t next = word.recorded(code, oldest, size_).pack();
            if (word_.compare_exchange_weak(seen, next)) {
                settle(next);
                return;
            }
        }
    }

    CallCounts counts(std::uint32_t generation) const {
        const CountWord word = CountWord::unpack(word_.load());
        if (!word.is_of(generation)) return {};
        return {word.calls, word.failures, word.slow};
    }

    void forget(std::uint32_t generation) {
        std::uint64_t seen = word_.load();
        while (CountWord::unpack(seen).is_of(generation)) {
            const std::uint64_t next = CountWord::unpack(seen).emptied(generation).pack();
            if (word_.compare_exchange_weak(seen, next)) return;
        }
    }

private:
    // What no call leaves behind, so that a slot never holds anything twice.
    static constexpr std::uint32_t kUnused = ~std::uint32_t{0};

    // Writes the latest call of `seen` into its slot, unless that is done already.
    // Returns false if the word has changed meanwhile.
    bool settle(std::uint64_t seen) {
        const CountWord word = CountWord::unpack(seen);
        const std::uint32_t ticket = word.last_ticket(size_);
        Atomic<std::uint32_t>& slot = slots_[ticket % size_];
        const std::uint32_t wanted = ticket << 2 | word.last;
        std::uint32_t held = slot.load();
        // While the word is what it was, the slot holds either what is wanted or a call
        // that is a round older. No slot holds the same twice, so the exchange fails only
        // because another thread has been here.
        if (word_.load() != seen) return false;
        if (held != wanted) slot.compare_exchange_strong(held, wanted);
        return true;
    }

    Atomic<std::uint64_t> word_{0};
    std::uint32_t size_;
    std::unique_ptr<Atomic<std::uint32_t>[]> slots_;
};

}  // namespace resilience::detail

#endif
