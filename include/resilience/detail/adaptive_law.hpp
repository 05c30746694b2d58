// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_ADAPTIVE_LAW_HPP
#define RESILIENCE_DETAIL_ADAPTIVE_LAW_HPP

#include <resilience/adaptive_limit_options.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/codel_law.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace resilience::detail {

/// What the end of a call tells a limit.
enum class LimitSample : std::uint8_t {
    /// Nothing.
    none,
    /// How long a call takes.
    duration,
    /// That the peer, or the way there, has too much to do.
    drop
};

/// What a limit learns from the end of a call.
constexpr LimitSample sample_of(
    Verdict verdict, std::chrono::nanoseconds took, std::chrono::nanoseconds timeout
) noexcept {
    switch (verdict) {
        case Verdict::success:
        case Verdict::slow:
        case Verdict::client_error:
            return took >= timeout ? LimitSample::drop : LimitSample::duration;
        case Verdict::transient:
        case Verdict::throttled:
            return LimitSample::drop;
        case Verdict::permanent:
        case Verdict::ignored:
        case Verdict::abandoned:
            break;
    }
    return LimitSample::none;
}

/// The calls that ended in a stretch of time.
struct LimitWindow {
    /// Calls whose duration counts, and its mean; what is longer than
    /// @ref AdaptiveLaw::longest is cut off there.
    std::uint32_t samples = 0;
    std::chrono::nanoseconds mean{0};
    /// What the mean would be more if nothing was cut off.
    std::chrono::nanoseconds cut{0};
    /// Calls that were dropped.
    std::uint32_t drops = 0;
    /// Most calls in flight at once.
    std::uint32_t peak = 0;
};

/// When a window is complete if it has filled, and when it is forgotten if it has not.
struct WindowSpan {
    TimePoint due;
    TimePoint stale;
    std::uint32_t enough = 1;
};

/// What becomes of a window at a moment.
enum class WindowFate : std::uint8_t { goes_on, counts, is_forgotten };

/// A limit, and what its changes depend on.
struct AdaptiveState {
    double limit = 1;
    /// Duration of a call without load; zero as long as it is not known.
    std::chrono::nanoseconds baseline{0};
    /// When it is measured next.
    TimePoint probe_at = TimePoint::max();
    /// Whether it is being measured.
    bool probing = false;
    /// How long a measurement waits for the calls of before it.
    std::chrono::nanoseconds patience{0};
    /// Calls of before it that it waits for no longer: it is made beside them.
    std::uint32_t beside = 0;
    /// Windows in a row that left the limit at its floor.
    std::uint32_t at_floor = 0;

    friend constexpr bool operator==(const AdaptiveState&, const AdaptiveState&) =
        default;
};

/** How a limit follows what happens to the calls: the additive-increase,
    multiplicative-decrease rule of TCP, and the gradient of the duration of calls as in
    Netflix's and Envoy's limiters.

    The functions are pure; the limit and the exploration of its behaviour call the same.
*/
struct AdaptiveLaw {
    /// How often in a row a limit at its floor is taken for overload, and not for a
    /// baseline that no longer holds.
    static constexpr std::uint32_t kPatience = 5;
    /// A window that has not filled within this many times its length is looked at.
    static constexpr int kLongest = 10;
    /// How many times as many calls measure a baseline as make a window: it is to last.
    static constexpr std::uint32_t kProbeFactor = 3;
    /// How many times as long as calls take a measurement waits for those of before it:
    /// until a few hundredths are left of what takes a random time.
    static constexpr int kGrace = 4;

    AdaptiveLimitOptions options;

    constexpr AdaptiveState first(TimePoint now) const noexcept {
        return {
            .limit = static_cast<double>(options.initial), .probe_at = next_probe(now)};
    }

    /// Calls that may be in flight.
    constexpr std::uint32_t limit(const AdaptiveState& s) const noexcept {
        const auto whole = static_cast<std::uint32_t>(s.limit);
        if (!s.probing) return whole;
        const std::uint64_t few = std::uint64_t{options.probe} + s.beside;
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(whole, few));
    }

    /// The window that begins now. While the baseline is measured, enough is enough.
    constexpr WindowSpan window(const AdaptiveState& s, TimePoint now) const noexcept {
        const TimePoint stale = stale_from(now);
        if (!s.probing) {
            return {saturated_add(now, options.window), stale, options.min_samples};
        }
        const bool waits = s.beside == 0 && s.patience.count() > 0;
        return {
            now,
            waits ? std::min(stale, saturated_add(now, s.patience)) : stale,
            options.min_samples * kProbeFactor};
    }

    /// What of the duration of a call counts: as much as makes the limit sink as fast as
    /// it can if all calls take so long. So a few that take far longer do not stand for
    /// the others.
    constexpr std::chrono::nanoseconds longest(const AdaptiveState& s) const noexcept {
        constexpr auto all = std::chrono::nanoseconds::max();
        if (s.baseline.count() == 0) return all;
        const double most = bearable(s) / kSteepest;
        return most < static_cast<double>(all.count())
                   ? std::chrono::nanoseconds{static_cast<std::int64_t>(most)}
                   : all;
    }

    /// When a window that was looked at is looked at again.
    constexpr TimePoint stale_from(TimePoint now) const noexcept {
        return saturated_add(now, kLongest * options.window);
    }

    /// Whether calls of before a measurement, which are in flight, have kept all others
    /// out for as long as it waits for them.
    constexpr bool is_held_up(
        const AdaptiveState& s,
        const WindowSpan& span,
        const LimitWindow& w,
        std::uint32_t in_flight,
        TimePoint now
    ) const noexcept {
        const bool waited = s.probing && s.beside == 0 && s.patience.count() > 0 &&
                            now >= saturated_add(span.due, s.patience);
        return waited && w.samples + w.drops == 0 && in_flight >= limit(s);
    }

    /// The state after that: the calls in flight take so much longer than others that
    /// they are no queue, and the measurement is made beside them. It is given up if it
    /// could then last longer than one for which there are too few calls.
    constexpr AdaptiveState after_hold_up(
        AdaptiveState s, const WindowSpan& span, std::uint32_t in_flight, TimePoint now
    ) const noexcept {
        const auto longest = times(twice_as_many(s, span), s.patience / kGrace);
        if (saturated_add(now, longest) > stale_from(span.due)) return measured(s, now);
        s.beside = in_flight;
        return s;
    }

    /// What becomes of a window in which that has ended which `w` tells. One that fills
    /// slowly because calls are slow goes on, but a measurement for no longer than such
    /// calls take; one that does so because there are few is forgotten.
    constexpr WindowFate fate(
        const AdaptiveState& s,
        const WindowSpan& span,
        const LimitWindow& w,
        TimePoint now
    ) const noexcept {
        if (now >= span.due && w.samples + w.drops >= span.enough) {
            return WindowFate::counts;
        }
        if (now < span.stale) return WindowFate::goes_on;
        if (s.probing && now < stale_from(span.due)) return WindowFate::goes_on;
        if (s.probing && now >= longest_probe(s, span, w)) {
            return w.samples >= options.min_samples ? WindowFate::counts
                                                    : WindowFate::is_forgotten;
        }
        return in_use(s, w.peak) ? WindowFate::goes_on : WindowFate::is_forgotten;
    }

    /// The state after a window that counts.
    constexpr AdaptiveState after(AdaptiveState s, const LimitWindow& w, TimePoint now)
        const noexcept {
        const bool dropped = drops_too_many(w);
        if (s.probing) {
            if (w.samples >= options.min_samples) s.baseline = duration(s, w);
            if (dropped) s.limit = bounded(s.limit * options.backoff);
            return measured(s, now);
        }
        double next = s.limit;
        if (dropped) {
            next *= options.backoff;
        } else if (options.algorithm == LimitAlgorithm::aimd) {
            next += 1;
        } else if (w.samples > 0) {
            if (s.baseline.count() == 0) s.baseline = w.mean;
            next = by_gradient(s, w.mean);
            // So few were in flight because no more came, so this was a measurement, and
            // nobody was refused for it.
            if (w.samples >= options.min_samples && w.peak <= options.probe &&
                options.probe < limit(s)) {
                s.baseline = duration(s, w);
                s.probe_at = next_probe(now);
            }
        }
        // Calls that are not made prove nothing about a higher limit.
        if (next <= s.limit || in_use(s, w.peak)) s.limit = bounded(next);
        return due(s, w, now);
    }

    /// The state after a window that is forgotten.
    constexpr AdaptiveState after_silence(AdaptiveState s, TimePoint now) const noexcept {
        return s.probing ? measured(s, now) : s;
    }

    /// A state under other options.
    constexpr AdaptiveState adopted(AdaptiveState s, TimePoint now) const noexcept {
        s.limit = bounded(s.limit);
        return measured(s, now);
    }

private:
    constexpr bool in_use(const AdaptiveState& s, std::uint32_t peak) const noexcept {
        return 2 * std::uint64_t{peak} >= limit(s);
    }

    /// When a measurement ends though it has not filled: calls of the known duration, or
    /// of that of those measured so far, would have made twice as many.
    constexpr TimePoint longest_probe(
        const AdaptiveState& s, const WindowSpan& span, const LimitWindow& w
    ) const noexcept {
        return saturated_add(span.due, times(twice_as_many(s, span), typical(s, w)));
    }

    /// Twice as many calls as a measurement needs, if they are made one after the other.
    constexpr std::int64_t twice_as_many(const AdaptiveState& s, const WindowSpan& span)
        const noexcept {
        return 2 * (span.enough / std::min(limit(s), options.probe) + 1);
    }

    /// How long a call takes; one that takes as long as the timeout was dropped.
    constexpr std::chrono::nanoseconds typical(
        const AdaptiveState& s, const LimitWindow& w
    ) const noexcept {
        return std::min(std::max(s.baseline, duration(s, w)), options.timeout);
    }

    /// How long the calls of a window took: if so many take longer than before that they
    /// are no few any more, with all that was cut off.
    constexpr std::chrono::nanoseconds duration(
        const AdaptiveState& s, const LimitWindow& w
    ) const noexcept {
        const bool few = static_cast<double>(w.mean.count()) <= bearable(s);
        return few ? w.mean : w.mean + w.cut;
    }

    /// How long calls may take on average before the limit sinks, in nanoseconds.
    constexpr double bearable(const AdaptiveState& s) const noexcept {
        return options.tolerance * static_cast<double>(s.baseline.count());
    }

    static constexpr std::chrono::nanoseconds times(
        std::int64_t n, std::chrono::nanoseconds span
    ) noexcept {
        constexpr auto most = std::chrono::nanoseconds::max();
        return span > most / n ? most : span * n;
    }

    constexpr double bounded(double limit) const noexcept {
        return std::clamp(
            limit,
            static_cast<double>(options.floor),
            static_cast<double>(options.ceiling)
        );
    }

    constexpr bool drops_too_many(const LimitWindow& w) const noexcept {
        const double all = static_cast<double>(w.drops) + static_cast<double>(w.samples);
        return static_cast<double>(w.drops) > options.drop_tolerance * all;
    }

    constexpr double by_gradient(const AdaptiveState& s, std::chrono::nanoseconds mean)
        const noexcept {
        const double took = static_cast<double>(mean.count());
        // A limit that calls wait for is not raised, or every window would add to the
        // queue that the one before has made.
        if (took <= bearable(s)) return s.limit + kSmooth * root(s.limit);
        const double gradient = std::max(bearable(s) / took, kSteepest);
        return s.limit * (1 - kSmooth + kSmooth * gradient);
    }

    constexpr TimePoint next_probe(TimePoint now) const noexcept {
        const bool never =
            options.algorithm == LimitAlgorithm::aimd || options.probe_every.count() == 0;
        return never ? TimePoint::max() : saturated_add(now, options.probe_every);
    }

    constexpr AdaptiveState measured(AdaptiveState s, TimePoint now) const noexcept {
        s.probing = false;
        s.patience = {};
        s.beside = 0;
        s.at_floor = 0;
        s.probe_at = next_probe(now);
        return s;
    }

    /// Begins to measure when it is time, or when the limit stays at its floor.
    constexpr AdaptiveState due(AdaptiveState s, const LimitWindow& w, TimePoint now)
        const noexcept {
        const bool low = s.limit <= static_cast<double>(options.floor);
        s.at_floor = low ? s.at_floor + 1 : 0;
        const bool lost = s.at_floor >= kPatience && s.probe_at != TimePoint::max();
        s.probing = now >= s.probe_at || lost;
        if (s.probing) s.patience = times(kGrace, typical(s, w));
        return s;
    }

    /// The share of a change that one window makes.
    static constexpr double kSmooth = 0.2;
    /// The least gradient by which a limit sinks.
    static constexpr double kSteepest = 0.5;

    /// The square root, by Newton's method.
    static constexpr double root(double x) noexcept {
        double r = x;
        for (int i = 0; i < 30; ++i) r = 0.5 * (r + x / r);
        return r;
    }
};

}  // namespace resilience::detail

#endif
