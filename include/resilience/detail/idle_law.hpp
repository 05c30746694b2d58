// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_IDLE_LAW_HPP
#define RESILIENCE_DETAIL_IDLE_LAW_HPP

#include <cstdint>

namespace resilience::detail {

/** Which idle workers are to be woken, as transitions of one word.

    The word holds the number of workers that sleep or are about to (`sleepers`) and
    whether a worker `searches`: it was woken and has found nothing yet, or it looks for
    work before it sleeps. While one searches nobody else is woken, so a burst of tasks
    costs its submitter one wake-up; who finds work and leaves more passes the wake-up on.

    No wake-up is lost if
    - a submitter publishes its task before @ref on_work,
    - a worker looks for work once more between @ref on_rest and its sleep, and
    - a worker that finds work after it was about to sleep looks whether there is more,
      and if so makes @ref on_work; a searcher makes @ref on_found before it looks,
    all in one total order.
*/
struct IdleWord {
    std::uint32_t bits = 0;

    static constexpr std::uint32_t search_bit = 1u << 31;

    constexpr std::uint32_t sleepers() const noexcept { return bits & ~search_bit; }
    constexpr bool searching() const noexcept { return (bits & search_bit) != 0; }

    friend constexpr bool operator==(IdleWord, IdleWord) = default;
};

/// A transition, and whether whoever makes it must wake one sleeper, may sleep, or may
/// search.
struct IdleStep {
    IdleWord next;
    bool act = false;
};

/// There is work. `act`: wake one sleeper, who searches from now on.
constexpr IdleStep on_work(IdleWord w) noexcept {
    if (w.sleepers() == 0 || w.searching()) return {w};
    return {{(w.bits - 1) | IdleWord::search_bit}, true};
}

/// The searcher found work and searches no more.
constexpr IdleStep on_found(IdleWord w) noexcept {
    return {{w.bits & ~IdleWord::search_bit}};
}

/// A worker without work wants to look for some before it sleeps. `act`: it may.
constexpr IdleStep on_search(IdleWord w) noexcept {
    if (w.searching()) return {w};
    return {{w.bits | IdleWord::search_bit}, true};
}

/// A worker without work goes to sleep; if it searched, it searches no more.
constexpr IdleStep on_rest(IdleWord w, bool searched) noexcept {
    return {{(searched ? w.bits & ~IdleWord::search_bit : w.bits) + 1}, true};
}

/// A worker that was about to sleep has seen work. `act`: it goes on, as one that does
/// not search. Else every sleeper is being woken, this one too: it takes its wake-up.
constexpr IdleStep on_stay(IdleWord w) noexcept {
    if (w.sleepers() == 0) return {w};
    return {{w.bits - 1}, true};
}

}  // namespace resilience::detail

#endif
