// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_COUNT_WORD_HPP
#define RESILIENCE_DETAIL_COUNT_WORD_HPP

#include <resilience/call_window.hpp>

#include <resilience/detail/is_later.hpp>

#include <cstdint>

namespace resilience::detail {

/** What is known of the last calls, in 64 bits:
    `[generation:6 | ticket:26 | calls:10 | failures:10 | slow:10 | last:2]`.

    `ticket` numbers the next call, `last` is how the latest one ended: whoever comes next
    writes it into the slot of that call before anything else, in case the thread that
    counted it has been held up.
*/
struct CountWord {
    static constexpr std::uint32_t kGenerations = 1u << 6;
    static constexpr std::uint32_t kTickets = 1u << 26;
    static constexpr std::uint32_t kMostCalls = 1023;

    std::uint32_t generation = 0;
    std::uint32_t ticket = 0;
    std::uint32_t calls = 0;
    std::uint32_t failures = 0;
    std::uint32_t slow = 0;
    std::uint32_t last = 0;

    static constexpr CountWord unpack(std::uint64_t bits) noexcept {
        const auto low = static_cast<std::uint32_t>(bits);
        const auto high = static_cast<std::uint32_t>(bits >> 32);
        return {
            high >> 26,
            high % kTickets,
            low >> 22,
            low >> 12 & kMostCalls,
            low >> 2 & kMostCalls,
            low & 3};
    }

    constexpr std::uint64_t pack() const noexcept {
        return std::uint64_t{generation % kGenerations} << 58 |
               std::uint64_t{ticket} << 32 | std::uint64_t{calls} << 22 |
               std::uint64_t{failures} << 12 | std::uint64_t{slow} << 2 | last;
    }

    static constexpr std::uint32_t code_of(CallOutcome o) noexcept {
        return (o.failure ? 2u : 0u) | (o.slow ? 1u : 0u);
    }

    /// Whether calls of a later generation than `g` are counted here.
    constexpr bool is_after(std::uint32_t g) const noexcept {
        return calls > 0 && is_later(generation, g, kGenerations);
    }

    constexpr bool is_of(std::uint32_t g) const noexcept {
        return generation == (g % kGenerations);
    }

    /// The same place in the ring with nothing counted.
    constexpr CountWord emptied(std::uint32_t g) const noexcept {
        return {.generation = g % kGenerations, .ticket = ticket, .last = last};
    }

    /// One more call that ended as `code` in a ring of `size`, the oldest of which
    /// `oldest` tells.
    constexpr CountWord recorded(
        std::uint32_t code, std::uint32_t oldest, std::uint32_t size
    ) const noexcept {
        CountWord next = *this;
        if (calls == size) {
            next.failures -= oldest >> 1;
            next.slow -= oldest & 1;
        } else {
            ++next.calls;
        }
        next.failures += code >> 1;
        next.slow += code & 1;
        next.ticket = ticket + 1 == tickets_of(size) ? 0 : ticket + 1;
        next.last = code;
        return next;
    }

    /// The number of the latest call.
    constexpr std::uint32_t last_ticket(std::uint32_t size) const noexcept {
        return (ticket == 0 ? tickets_of(size) : ticket) - 1;
    }

    /// Tickets are a whole number of rounds, so that slots follow each other when the
    /// numbers begin again.
    static constexpr std::uint32_t tickets_of(std::uint32_t size) noexcept {
        return kTickets / size * size;
    }
};

}  // namespace resilience::detail

#endif
