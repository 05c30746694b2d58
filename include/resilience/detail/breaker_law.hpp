// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_BREAKER_LAW_HPP
#define RESILIENCE_DETAIL_BREAKER_LAW_HPP

#include <resilience/circuit_state.hpp>
#include <resilience/classify.hpp>
#include <resilience/random.hpp>

#include <resilience/detail/breaker_word.hpp>
#include <resilience/detail/bucket_law.hpp>

#include <cstdint>
#include <limits>

namespace resilience::detail {

/// What a breaker can be told to do.
enum class BreakerCommand : std::uint8_t {
    force_open,
    force_closed,
    metrics_only,
    reset,    // close, and forget all
    renumber  // stay, in a new generation: what was counted so far is void
};

/// The answer to a call that wants to go ahead.
struct BreakerAnswer {
    BreakerWord next;
    bool admitted = false;
    std::int64_t wait = 0;  // nanoseconds; of a refusal
};

/** Decides for a circuit breaker. Each transition is a pure function of the word, the
   time and what happened; the caller swaps the word, or does nothing if it is unchanged.

    Time is in nanoseconds, within @ref kTimeLimit.
*/
struct BreakerLaw {
    static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

    std::int64_t open_for = 5'000'000'000;
    std::int64_t probe_lease = 30'000'000'000;
    std::int64_t slow_start = 0;
    double slow_start_share = 0.1;
    std::uint32_t probes = 1;
    std::uint32_t close_after = 1;
    std::uint32_t reopen_after = 1;
    bool slow_probe_fails = false;

    friend constexpr bool operator==(const BreakerLaw&, const BreakerLaw&) = default;

    /// Whether a call goes ahead whatever the time, and changes nothing.
    static constexpr bool is_plain(BreakerWord w) noexcept {
        return w.state() == CircuitState::closed && w.payload() == 0;
    }

    /// Time for which an open circuit refuses all calls; zero or less in other states.
    static constexpr std::int64_t open_wait(BreakerWord w, std::int64_t now) noexcept {
        return w.state() == CircuitState::open ? w.instant() - now : 0;
    }

    /// Answers one call. A refusal leaves the word as it is.
    /// @param random Uniform bits, used in a slow start alone.
    constexpr BreakerAnswer on_acquire(
        BreakerWord w, std::int64_t now, std::uint64_t random
    ) const noexcept {
        switch (w.state()) {
            case CircuitState::closed:
                if (is_plain(w)) return {w, true};
                return on_slow_start(w, now, random);
            case CircuitState::forced_closed:
            case CircuitState::metrics_only:
                return {w, true};
            case CircuitState::open:
                if (const std::int64_t wait = open_wait(w, now); wait > 0) {
                    return {w, false, wait};
                }
                return {first_probe(w, now), true};
            case CircuitState::half_open:
                return on_half_open(w, now);
            case CircuitState::forced_open:
                break;
        }
        return {w, false, kNever};
    }

    /// Takes note of the end of a probe of `generation`. The word is unchanged if there
    /// is no such probe.
    constexpr BreakerWord on_outcome(
        BreakerWord w, Generation generation, Verdict verdict, std::int64_t now
    ) const noexcept {
        if (w.generation() != generation) return w;
        if (w.state() != CircuitState::half_open) return w;
        ProbeRound r = w.round();
        if (r.in_flight == 0) return w;
        --r.in_flight;
        if (verdict == Verdict::ignored || verdict == Verdict::abandoned) {
            return w.with(r);
        }
        if (is_failure(verdict) || (verdict == Verdict::slow && slow_probe_fails)) {
            if (++r.bad >= reopen_after) return opened(w, now);
        } else {
            if (++r.ok >= close_after) return closed(w, now);
        }
        return w.with(r);
    }

    /// Opens the circuit if it is closed and `generation` is the one that was counted.
    constexpr BreakerWord on_trip(BreakerWord w, Generation generation, std::int64_t now)
        const noexcept {
        if (w.state() != CircuitState::closed) return w;
        if (w.generation() != generation) return w;
        return opened(w, now);
    }

    /// Obeys `command`. A command to stay where the word is changes nothing.
    static constexpr BreakerWord on_command(
        BreakerWord w, BreakerCommand command
    ) noexcept {
        switch (command) {
            case BreakerCommand::force_open:
                return forced(w, CircuitState::forced_open);
            case BreakerCommand::force_closed:
                return forced(w, CircuitState::forced_closed);
            case BreakerCommand::metrics_only:
                return forced(w, CircuitState::metrics_only);
            case BreakerCommand::reset:
                return w.to(CircuitState::closed);
            case BreakerCommand::renumber:
                if (w.state() != CircuitState::closed &&
                    w.state() != CircuitState::metrics_only) {
                    return w;
                }
                return w.to(w.state(), w.payload());
        }
        return w;
    }

    /// What has become of the word by `now` without any call: an open circuit may have
    /// become half-open.
    static constexpr BreakerWord poll(BreakerWord w, std::int64_t now) noexcept {
        if (w.state() != CircuitState::open || w.instant() > now) return w;
        return w.to(CircuitState::half_open);
    }

    /// Time after which a probe admitted at the latest so long ago is given up; zero if
    /// that was before `now`.
    constexpr std::int64_t lease_left(std::uint32_t lease, std::int64_t now)
        const noexcept {
        // A lease further ahead than any can be was given so long ago that its number
        // has come round again; the slack is for threads that read the clock and were
        // then held up.
        const std::int64_t tick = floor_tick(now);
        const std::uint32_t ahead =
            (lease - static_cast<std::uint32_t>(tick)) % BreakerWord::kLeaseTicks;
        constexpr std::uint32_t slack = 1024;
        const std::int64_t furthest = probe_lease / BreakerWord::kLeaseTick + 2 + slack;
        if (ahead > furthest) return 0;
        const std::int64_t left =
            ahead * BreakerWord::kLeaseTick - (now - tick * BreakerWord::kLeaseTick);
        return left > 0 ? left : 0;
    }

private:
    static constexpr std::int64_t floor_tick(std::int64_t ns) noexcept {
        return -ceil_div(-ns, BreakerWord::kLeaseTick);
    }

    constexpr std::uint32_t lease_from(std::int64_t now) const noexcept {
        const std::int64_t end = ceil_div(now + probe_lease, BreakerWord::kLeaseTick);
        return static_cast<std::uint32_t>(end) % BreakerWord::kLeaseTicks;
    }

    constexpr BreakerWord first_probe(BreakerWord w, std::int64_t now) const noexcept {
        return w.to(
            CircuitState::half_open,
            BreakerWord::payload_of(ProbeRound{.in_flight = 1, .lease = lease_from(now)})
        );
    }

    constexpr BreakerAnswer on_half_open(BreakerWord w, std::int64_t now) const noexcept {
        ProbeRound r = w.round();
        if (r.used() < probes) {
            ++r.in_flight;
            r.lease = lease_from(now);
            return {w.with(r), true};
        }
        // Every probe is spent. Without one under way, because there were more of them
        // when the round began, or with none that may still report, a new round begins.
        if (r.in_flight == 0) return {first_probe(w, now), true};
        const std::int64_t left = lease_left(r.lease, now);
        if (left <= 0) return {first_probe(w, now), true};
        return {w, false, left};
    }

    constexpr BreakerAnswer on_slow_start(
        BreakerWord w, std::int64_t now, std::uint64_t random
    ) const noexcept {
        const std::int64_t left = w.instant() - now;
        // Over: the next call need not look again.
        if (left <= 0 || slow_start == 0) return {w.without_payload(), true};
        // An instant that another thread read earlier, or a slow start made shorter
        // meanwhile, may leave more than there was.
        const double gone =
            left >= slow_start
                ? 0.0
                : 1.0 - static_cast<double>(left) / static_cast<double>(slow_start);
        const double share = slow_start_share + (1.0 - slow_start_share) * gone;
        if (fraction_of(random) < share) return {w, true};
        return {w, false, left};
    }

    constexpr BreakerWord opened(BreakerWord w, std::int64_t now) const noexcept {
        return w.to(CircuitState::open, BreakerWord::payload_of(now + open_for));
    }

    constexpr BreakerWord closed(BreakerWord w, std::int64_t now) const noexcept {
        if (slow_start == 0) return w.to(CircuitState::closed);
        return w.to(CircuitState::closed, BreakerWord::payload_of(now + slow_start));
    }

    static constexpr BreakerWord forced(BreakerWord w, CircuitState state) noexcept {
        return w.state() == state ? w : w.to(state);
    }
};

}  // namespace resilience::detail

#endif
