// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CIRCUIT_PERMIT_HPP
#define RESILIENCE_DETAIL_CIRCUIT_PERMIT_HPP

#include <resilience/admission.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <resilience/detail/breaker_word.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace resilience::detail {

/** The right to make one call, or the refusal of it.

    True if the call may be made. Exactly one of @ref done and @ref abandon ends a call;
   the destructor abandons what has not ended, by the time of the breaker's `TimeSource`.

    @par Thread safety
    Distinct objects: safe, also those of one breaker. Shared objects: unsafe. A permit
   may end on another thread than it began.
*/
template <class Breaker>
class [[nodiscard]] CircuitPermit {
public:
    CircuitPermit(CircuitPermit&& other) noexcept
        : breaker_{std::exchange(other.breaker_, nullptr)},
          generation_{other.generation_},
          time_{std::exchange(other.time_, 0)} {}

    CircuitPermit& operator=(CircuitPermit&& other) noexcept {
        CircuitPermit old{std::move(*this)};
        breaker_ = std::exchange(other.breaker_, nullptr);
        generation_ = other.generation_;
        time_ = std::exchange(other.time_, 0);
        return *this;
    }

    ~CircuitPermit() { std::move(*this).abandon(); }

    /// Whether the call may be made.
    [[nodiscard]] explicit operator bool() const noexcept { return breaker_ != nullptr; }

    /// Of a refusal, the time until the call would be admitted; else zero.
    std::chrono::nanoseconds retry_after() const noexcept {
        return std::chrono::nanoseconds{breaker_ == nullptr ? time_ : 0};
    }

    /// The same as an answer that outlives the permit.
    Admission admission() const noexcept {
        return breaker_ != nullptr ? Admission::admit()
                                   : Admission::refuse(retry_after());
    }

    /// The call waited for a turn on this side, for so long, not negative: the peer had
    /// no part in that, so it does not count as time that the call lasted.
    void waited(std::chrono::nanoseconds time) noexcept {
        constexpr std::int64_t latest = (std::int64_t{1} << 62) - 1;
        if (breaker_ == nullptr || time_ >= latest) return;
        time_ += std::clamp<std::int64_t>(time.count(), 0, latest - time_);
    }

    /** Reports how the call ended. Never throws; does nothing if it was refused or has
        ended before.

        Success, slow and client_error are answers of a working peer; transient, throttled
        and permanent are failures; ignored and abandoned give the permit back uncounted.

        @param now The current time: the call lasted from the one of `try_acquire` to
       this, less what it @ref waited.
    */
    void done(Verdict verdict, TimePoint now = Clock::now()) && noexcept {
        Breaker* breaker = std::exchange(breaker_, nullptr);
        const std::int64_t start = std::exchange(time_, 0);
        if (breaker != nullptr) breaker->finish(generation_, start, verdict, now);
    }

    /// Gives the call up. Like the destructor, but with the time in the caller's hand.
    void abandon(TimePoint now) && noexcept {
        std::move(*this).done(Verdict::abandoned, now);
    }

    /// Gives the call up now, as the breaker's `TimeSource` tells it.
    void abandon() && noexcept {
        if (breaker_ != nullptr) std::move(*this).abandon(breaker_->time_.now());
    }

private:
    friend Breaker;

    CircuitPermit(Breaker& breaker, Generation generation, std::int64_t start) noexcept
        : breaker_{&breaker}, generation_{generation}, time_{start} {}

    explicit CircuitPermit(std::chrono::nanoseconds retry_after) noexcept
        : time_{retry_after.count()} {}

    Breaker* breaker_ = nullptr;
    Generation generation_ = 0;
    std::int64_t time_ = 0;  // nanoseconds: when it began, or the wait of a refusal
};

}  // namespace resilience::detail

#endif
