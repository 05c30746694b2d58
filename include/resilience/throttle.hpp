// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_THROTTLE_HPP
#define RESILIENCE_THROTTLE_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/observer.hpp>
#include <resilience/pipeline_stage.hpp>
#include <resilience/random.hpp>

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/divisor.hpp>
#include <resilience/detail/live_settings.hpp>
#include <resilience/detail/sync.hpp>
#include <resilience/detail/throttle_law.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace resilience {

/// Settings of a @ref Throttle.
struct ThrottleOptions {
    /// How many requests may be made for each that the peer accepts. 1 to 1000; default
    /// 2. Less saves the peer more and finds out later that it has recovered.
    double multiplier = 2.0;

    /// Over which time requests and accepts are counted. At least a millisecond for each
    /// bucket, at most a day; default 2 min. Should be longer than calls may take.
    std::chrono::nanoseconds window = std::chrono::minutes{2};

    /// In how many parts the window moves on. 1 to 32; default 12.
    std::uint32_t buckets = 12;

    /// Largest share of requests that is refused, so that the peer's recovery is noticed.
    /// 0 to 0.99; default 0.9.
    double max_rejection = 0.9;

    /// Requests in a window that are not held against the peer. A request counts when it
    /// is made and an accept when it is answered, so this should be no less than the
    /// calls that are in flight at once. At most 1,000,000; default 20.
    std::uint32_t grace = 20;

    friend bool operator==(const ThrottleOptions&, const ThrottleOptions&) = default;
};

/// What a @ref Throttle has counted in its window.
struct ThrottleSnapshot {
    static constexpr const char* kind = "throttle";

    /// Requests, those that were refused here included.
    std::uint64_t requests = 0;
    /// Requests that the peer accepted.
    std::uint64_t accepts = 0;
    /// Share of the requests that is refused now.
    double rejection = 0;
    /// Times that the options were replaced by others than were in force before. 1,000
    /// is the most.
    std::uint32_t reconfigured = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const ThrottleSnapshot& s, Visit&& visit) {
    visit("requests", s.requests);
    visit("accepts", s.accepts);
    visit("rejection", s.rejection);
    visit("reconfigured_total", s.reconfigured);
}

/// An event: a throttle refused a call.
struct ThrottleRefused {
    /// The share of requests that it refuses now.
    double rejection = 0;
};

/** Refuses as large a share of the calls as an overloaded peer would refuse itself.

    Adaptive throttling after B. Beyer and others, "Site Reliability Engineering", chapter
    21: with the requests and accepts of the last two minutes, a call is refused with the
    probability `(requests - multiplier * accepts) / (requests + 1)`, if that is positive.
    What the peer cannot serve is then mostly refused here, where it costs it nothing, and
    the share follows the peer's state smoothly; a breaker is for a peer that is down.

    A call counts as a request when it asks to be admitted, also if it is refused, and as
    accepted when it ends in success. What a local limit behind the throttle refuses, and
    what the caller gives up, is taken back: it says nothing about the peer.

    @tparam Observer Sees the event `ThrottleRefused`; see @ref NoObserver.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe; all but @ref reconfigure are lock-free,
    and allocate nothing.

    @par Object lifetimes
    A throttle must outlive its permits.

    @par Example
    @code
    Throttle throttle;
    auto permit = throttle.try_acquire();
    if (!permit) return overloaded();
    auto result = call();
    std::move(permit).done(classify(result).verdict);
    @endcode
*/
template <class Observer = NoObserver>
class Throttle {
public:
    class Permit;

    static constexpr PipelineStage pipeline_stage = PipelineStage::breaker;
    static constexpr Errc refusal = Errc::shed;

    /** Makes a throttle that has counted nothing.
        @param now The current time; earlier instants count as this one.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    explicit Throttle(
        const ThrottleOptions& options = {},
        Observer observer = {},
        TimePoint now = Clock::now()
    )
        : settings_(Settings{checked(options), detail::nanoseconds_of(now)}),
          observer_(std::forward<Observer>(observer)) {}

    Throttle(const Throttle&) = delete;
    Throttle& operator=(const Throttle&) = delete;

    /// Admits a call or refuses it, with a random number of the thread's own. Never
    /// waits.
    [[nodiscard]] Permit try_acquire(TimePoint now = Clock::now()) noexcept {
        return decide(now, [] { return thread_random()(); });
    }

    /// The same with the caller's own uniform random bits.
    [[nodiscard]] Permit try_acquire(TimePoint now, std::uint64_t random) noexcept {
        return decide(now, [random] { return random; });
    }

    /// Tells what was counted. Changes nothing.
    ThrottleSnapshot snapshot(TimePoint now = Clock::now()) const noexcept {
        const Settings& s = settings_.get();
        const detail::ThrottleCounts counts = sum(s, s.turn(now));
        return {
            .requests = static_cast<std::uint64_t>(counts.requests),
            .accepts = static_cast<std::uint64_t>(counts.accepts),
            .rejection = s.share(counts),
            .reconfigured = settings_.replaced()};
    }

    /// The options in force.
    ThrottleOptions options() const noexcept { return settings_.get().options; }

    /** Replaces the options of a throttle in use. Does nothing if they are those in
        force.

        With another window, or as many other buckets, it begins anew: nothing is counted
        yet, and calls on their way are counted when they end, not as requests. Otherwise
        nothing is forgotten. Calls that are being decided meanwhile may still be judged
        and counted by the old options.

        What is replaced, less than 200 bytes, is kept until the throttle is destroyed,
        since calls may be reading it, so it is refused after a thousand times. Options
        that were in force before, and since the throttle last began anew, cost nothing.

        @param now The current time; earlier instants count as this one if the throttle
            begins anew.
        @throws std::invalid_argument Names the field that is out of range; nothing has
            changed then.
        @throws std::length_error The options were replaced 1,000 times by others than
            were in force before; nothing has changed then.
        @throws std::bad_alloc
    */
    void reconfigure(const ThrottleOptions& options, TimePoint now = Clock::now()) {
        checked(options);
        settings_.replace([&](const Settings& old) { return old.changed(options, now); });
    }

private:
    static constexpr std::size_t kBuckets = 32;

    // The bucket that an instant falls into, and how often the ring has turned.
    struct Turn {
        std::uint32_t bucket;
        std::uint16_t lap;
    };

    struct Settings {
        Settings(const ThrottleOptions& o, std::int64_t from)
            : options(o),
              by_length(static_cast<std::uint64_t>((o.window / o.buckets).count())),
              by_buckets(o.buckets),
              origin(from) {}

        Turn turn(TimePoint now) const noexcept {
            const std::int64_t since =
                std::max<std::int64_t>(0, detail::nanoseconds_of(now) - origin);
            const std::int64_t step = by_length.divide(since);
            const std::int64_t lap = by_buckets.divide(step);
            return {
                static_cast<std::uint32_t>(step - lap * options.buckets),
                static_cast<std::uint16_t>(lap + first_lap)};
        }

        double share(detail::ThrottleCounts counts) const noexcept {
            return detail::throttle_share(
                counts, options.multiplier, options.grace, options.max_rejection
            );
        }

        /// The settings by other options from `now` on.
        Settings changed(const ThrottleOptions& to, TimePoint now) const {
            Settings next{to, origin};
            next.first_lap = first_lap;
            if (to.window != options.window || to.buckets != options.buckets) {
                next.origin = detail::nanoseconds_of(now);
                // So far on that no bucket of the old laps counts.
                next.first_lap = static_cast<std::uint16_t>(turn(now).lap + 3);
            }
            return next;
        }

        // All the rest follows from these.
        bool operator==(const Settings& other) const noexcept {
            return options == other.options && origin == other.origin &&
                   first_lap == other.first_lap;
        }

        ThrottleOptions options;
        detail::Divisor by_length;   // of a bucket, in nanoseconds
        detail::Divisor by_buckets;  // of the ring
        std::int64_t origin;         // nanoseconds
        std::uint16_t first_lap = 0;
    };

    static const ThrottleOptions& checked(const ThrottleOptions& options);

    detail::ThrottleCounts sum(const Settings& s, Turn at) const noexcept;

    // Replaces a bucket by `change` of it.
    template <class Change>
    void update(Turn at, Change change) noexcept {
        detail::Atomic<std::uint64_t>& word = words_[at.bucket];
        std::uint64_t seen = word.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t next = change(detail::ThrottleBucket::of(seen)).word();
            if (next == seen) return;
            if (word.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return;
        }
    }

    void count(Turn at, detail::ThrottleCounts more) noexcept {
        update(at, [&](detail::ThrottleBucket bucket) {
            return bucket.counted(at.lap, more);
        });
    }

    template <class Draw>
    Permit decide(TimePoint now, Draw draw) noexcept {
        const Settings& s = settings_.get();
        const Turn at = s.turn(now);
        const double rejection = s.share(sum(s, at));
        count(at, {.requests = 1});
        if (rejection <= 0.0 || fraction_of(draw()) >= rejection)
            return Permit{*this, at};
        detail::notify(observer_, ThrottleRefused{rejection});
        return Permit{};
    }

    alignas(64) std::array<detail::Atomic<std::uint64_t>, kBuckets> words_{};
    detail::LiveSettings<Settings> settings_;
    [[no_unique_address]] Observer observer_;
};

/// Admits one call. A permit that is destroyed without @ref done takes the request back:
/// the call was abandoned.
template <class Observer>
class [[nodiscard]] Throttle<Observer>::Permit {
public:
    /// Admits nothing.
    Permit() noexcept = default;

    Permit(Permit&& other) noexcept
        : throttle_(std::exchange(other.throttle_, nullptr)), at_(other.at_) {}

    Permit& operator=(Permit&& other) noexcept {
        Permit taken{std::move(other)};
        std::swap(throttle_, taken.throttle_);
        std::swap(at_, taken.at_);
        return *this;
    }

    ~Permit() {
        if (throttle_ != nullptr) take_back();
    }

    /// Whether the call may go ahead.
    [[nodiscard]] explicit operator bool() const noexcept { return throttle_ != nullptr; }

    /// Zero: a throttle cannot tell when the same call would be admitted.
    std::chrono::nanoseconds retry_after() const noexcept {
        return std::chrono::nanoseconds{0};
    }

    /// Tells how the call ended. Success, slow and client_error are accepts; ignored and
    /// abandoned take the request back; a failure leaves it unaccepted.
    void done(Verdict verdict, TimePoint now = Clock::now()) && noexcept {
        if (throttle_ == nullptr) return;
        if (verdict == Verdict::ignored || verdict == Verdict::abandoned) {
            take_back();
        } else if (!is_failure(verdict)) {
            throttle_->count(throttle_->settings_.get().turn(now), {.accepts = 1});
        }
        throttle_ = nullptr;
    }

private:
    friend class Throttle;

    Permit(Throttle& throttle, Turn at) noexcept : throttle_(&throttle), at_(at) {}

    void take_back() noexcept {
        throttle_->update(at_, [this](detail::ThrottleBucket bucket) {
            return bucket.uncounted(at_.lap);
        });
    }

    Throttle* throttle_ = nullptr;
    Turn at_{};  // when it was counted
};

template <class Observer>
detail::ThrottleCounts Throttle<Observer>::sum(const Settings& s, Turn at)
    const noexcept {
    detail::ThrottleCounts all;
    for (std::uint32_t i = 0; i < s.options.buckets; ++i) {
        const auto bucket =
            detail::ThrottleBucket::of(words_[i].load(std::memory_order_relaxed));
        // Buckets further on in the ring were last used in the turn before.
        const std::uint16_t lap = i <= at.bucket ? at.lap : at.lap - 1;
        if (!bucket.current(lap)) continue;
        all.requests += bucket.counts.requests;
        all.accepts += bucket.counts.accepts;
    }
    return all;
}

template <class Observer>
const ThrottleOptions& Throttle<Observer>::checked(const ThrottleOptions& options) {
    const auto require = [](bool ok, const char* what) {
        if (!ok) throw std::invalid_argument{what};
    };
    require(
        options.multiplier >= 1.0 && options.multiplier <= 1000.0,
        "ThrottleOptions::multiplier must be 1 to 1000"
    );
    require(
        options.buckets >= 1 && options.buckets <= kBuckets,
        "ThrottleOptions::buckets must be 1 to 32"
    );
    require(
        options.window >= std::chrono::milliseconds{options.buckets} &&
            options.window <= std::chrono::hours{24},
        "ThrottleOptions::window must be a millisecond for each bucket to a day"
    );
    require(
        options.max_rejection >= 0.0 && options.max_rejection <= 0.99,
        "ThrottleOptions::max_rejection must be 0 to 0.99"
    );
    require(options.grace <= 1'000'000, "ThrottleOptions::grace must be at most 1000000");
    return options;
}

}  // namespace resilience

#endif
