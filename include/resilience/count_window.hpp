// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_COUNT_WINDOW_HPP
#define RESILIENCE_COUNT_WINDOW_HPP

#include <resilience/call_window.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/count_word.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>

namespace resilience {

/// Settings of a @ref CountWindow.
struct CountWindowOptions {
    /// Calls that are remembered. 1 to 1,023; default 100.
    std::uint32_t calls = 100;

    friend bool operator==(const CountWindowOptions&, const CountWindowOptions&) =
        default;
};

/** Remembers how the last so many calls ended, each of them.

    The counts are one word and always those of exactly the latest calls, whatever the
    number of threads. A success after nothing but successes changes nothing and writes
    nothing.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe, lock-free and linearizable.
*/
class CountWindow {
public:
    /** Makes an empty window.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::bad_alloc
    */
    explicit CountWindow(const CountWindowOptions& options = {});

    /// Counts a call. The time is not used.
    void record(std::uint32_t generation, CallOutcome outcome, TimePoint now) noexcept;

    /// Tells what is remembered of calls of that generation.
    CallCounts counts(std::uint32_t generation, TimePoint now) const noexcept;

    /// Forgets the calls of one generation, and leaves all others alone.
    void forget(std::uint32_t generation) noexcept;

private:
    using Word = detail::CountWord;

    // A slot holds the ticket of its call and how the call ended.
    static constexpr std::uint32_t slot_of(std::uint32_t ticket, std::uint32_t code) {
        return ticket << 2 | code;
    }

    bool settle(std::uint64_t seen) noexcept;

    std::atomic<std::uint64_t> word_{0};
    std::uint32_t size_;
    std::unique_ptr<std::atomic<std::uint32_t>[]> slots_;
};

inline CountWindow::CountWindow(const CountWindowOptions& options)
    : size_{options.calls} {
    if (options.calls < 1 || options.calls > Word::kMostCalls) {
        throw std::invalid_argument{"CountWindowOptions::calls must be in 1 to 1023"};
    }
    slots_ = std::make_unique<std::atomic<std::uint32_t>[]>(size_);
}

inline void CountWindow::record(
    std::uint32_t generation, CallOutcome outcome, TimePoint /*now*/
) noexcept {
    const std::uint32_t code = Word::code_of(outcome);
    std::uint64_t seen = word_.load();
    for (;;) {
        Word word = Word::unpack(seen);
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

// Writes the latest call of `seen` into its slot, unless that is done already. Returns
// false if the word has changed meanwhile.
inline bool CountWindow::settle(std::uint64_t seen) noexcept {
    const Word word = Word::unpack(seen);
    const std::uint32_t ticket = word.last_ticket(size_);
    std::atomic<std::uint32_t>& slot = slots_[ticket % size_];
    const std::uint32_t wanted = slot_of(ticket, word.last);
    std::uint32_t held = slot.load();
    // While the word is what it was, the slot holds either what is wanted or a call that
    // is a round older; the exchange fails once anybody has replaced the latter.
    if (word_.load() != seen) return false;
    if (held != wanted) slot.compare_exchange_strong(held, wanted);
    return true;
}

inline CallCounts CountWindow::counts(std::uint32_t generation, TimePoint /*now*/)
    const noexcept {
    const Word word = Word::unpack(word_.load());
    if (!word.is_of(generation)) return {};
    return {word.calls, word.failures, word.slow};
}

inline void CountWindow::forget(std::uint32_t generation) noexcept {
    std::uint64_t seen = word_.load();
    while (
        Word::unpack(seen).is_of(generation) &&
        !word_.compare_exchange_weak(seen, Word::unpack(seen).emptied(generation).pack())
    ) {
    }
}

static_assert(CallWindow<CountWindow>);

}  // namespace resilience

#endif
