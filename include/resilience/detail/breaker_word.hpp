// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BREAKER_WORD_HPP
#define RESILIENCE_DETAIL_BREAKER_WORD_HPP

#include <resilience/circuit_state.hpp>

#include <resilience/detail/bucket_law.hpp>

#include <algorithm>
#include <cstdint>

namespace resilience::detail {

/// Numbers the transitions of a breaker, modulo 2^19.
using Generation = std::uint32_t;

/// How the probes of a half-open circuit stand.
struct ProbeRound {
    std::uint32_t in_flight = 0;
    std::uint32_t ok = 0;
    std::uint32_t bad = 0;
    std::uint32_t lease = 0;  // lease ticks, modulo 2^18

    constexpr std::uint32_t used() const noexcept { return in_flight + ok + bad; }

    friend constexpr bool operator==(const ProbeRound&, const ProbeRound&) = default;
};

/** All that changes in a breaker, in 64 bits: `[state:3 | generation:19 | payload:42]`.

    The payload of an open circuit is the instant at which it may be probed, so that no
    thread ever sees the state without its time; of a closed one, the instant at which its
    slow start ends, or zero; of a half-open one, its @ref ProbeRound. All others have
    none.
*/
class BreakerWord {
public:
    static constexpr std::uint32_t kGenerationBits = 19;
    static constexpr Generation kGenerations = Generation{1} << kGenerationBits;

    /// An instant is kept in milliseconds, rounded up, within 69 years of the clock's
    /// epoch.
    static constexpr std::int64_t kMillisecond = 1'000'000;
    static constexpr std::int64_t kEpoch = std::int64_t{1} << 41;

    /// A lease is kept in ticks of 64 ms, modulo 2^18 (4.6 hours).
    static constexpr std::int64_t kLeaseTick = 64 * kMillisecond;
    static constexpr std::uint32_t kLeaseTicks = std::uint32_t{1} << 18;

    explicit constexpr BreakerWord(std::uint64_t bits = 0) noexcept : bits_{bits} {}

    constexpr BreakerWord(
        CircuitState state, Generation generation, std::uint64_t payload = 0
    ) noexcept
        : bits_{
              static_cast<std::uint64_t>(state) << 61 |
              std::uint64_t{generation % kGenerations} << kPayloadBits | payload} {}

    constexpr std::uint64_t bits() const noexcept { return bits_; }
    constexpr CircuitState state() const noexcept {
        return static_cast<CircuitState>(bits_ >> 61);
    }
    constexpr Generation generation() const noexcept {
        return static_cast<Generation>(bits_ >> kPayloadBits) % kGenerations;
    }
    constexpr std::uint64_t payload() const noexcept {
        return bits_ & ((std::uint64_t{1} << kPayloadBits) - 1);
    }

    /// The instant that the payload tells, in nanoseconds.
    constexpr std::int64_t instant() const noexcept {
        return (static_cast<std::int64_t>(payload()) - kEpoch) * kMillisecond;
    }

    constexpr ProbeRound round() const noexcept {
        const std::uint64_t p = payload();
        return {
            static_cast<std::uint32_t>(p >> 34),
            static_cast<std::uint32_t>(p >> 26 & 0xff),
            static_cast<std::uint32_t>(p >> 18 & 0xff),
            static_cast<std::uint32_t>(p % kLeaseTicks)};
    }

    /// The payload that tells `ns`, never earlier and never zero.
    static constexpr std::uint64_t payload_of(std::int64_t ns) noexcept {
        const std::int64_t ms =
            std::clamp(ceil_div(ns, kMillisecond), 1 - kEpoch, kEpoch - 1);
        return static_cast<std::uint64_t>(ms + kEpoch);
    }

    static constexpr std::uint64_t payload_of(const ProbeRound& r) noexcept {
        return std::uint64_t{r.in_flight} << 34 | std::uint64_t{r.ok} << 26 |
               std::uint64_t{r.bad} << 18 | r.lease;
    }

    /// This word with other probes, in the same generation.
    constexpr BreakerWord with(const ProbeRound& r) const noexcept {
        return {state(), generation(), payload_of(r)};
    }

    /// This word with no instant, in the same generation.
    constexpr BreakerWord without_payload() const noexcept {
        return {state(), generation()};
    }

    /// The word after a transition.
    constexpr BreakerWord to(CircuitState next, std::uint64_t payload = 0)
        const noexcept {
        return {next, generation() + 1, payload};
    }

    friend constexpr bool operator==(BreakerWord, BreakerWord) = default;

private:
    static constexpr std::uint32_t kPayloadBits = 42;

    std::uint64_t bits_;
};

}  // namespace resilience::detail

#endif
