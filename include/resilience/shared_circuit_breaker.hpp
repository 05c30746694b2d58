// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SHARED_CIRCUIT_BREAKER_HPP
#define RESILIENCE_SHARED_CIRCUIT_BREAKER_HPP

#include <resilience/circuit_breaker.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace resilience {

/** A @ref CircuitBreaker that lives as long as anybody holds it or a permit of it.

    For calls that may outlive whoever owns the breaker, such as coroutines. Copies are
   the same breaker. A permit costs two changes of the reference count more than a plain
   one.

    @par Thread safety
    As of @ref CircuitBreaker. Assigning to a handle that others use: unsafe.
*/
template <
    class Observer = NoObserver,
    CallWindow Window = detail::ChosenWindow,
    class TimeSource = Clock>
class SharedCircuitBreaker {
public:
    using Breaker = CircuitBreaker<Observer, Window, TimeSource>;

    /// As @ref CircuitPermit, and keeps the breaker alive until it has ended.
    class [[nodiscard]] Permit {
    public:
        Permit(Permit&&) noexcept = default;

        // The old permit ends before its breaker may.
        Permit& operator=(Permit&& other) noexcept {
            permit_ = std::move(other.permit_);
            breaker_ = std::move(other.breaker_);
            return *this;
        }

        [[nodiscard]] explicit operator bool() const noexcept { return bool{permit_}; }

        std::chrono::nanoseconds retry_after() const noexcept {
            return permit_.retry_after();
        }

        Admission admission() const noexcept { return permit_.admission(); }

        void waited(std::chrono::nanoseconds time) noexcept { permit_.waited(time); }

        void done(Verdict verdict, TimePoint now = Clock::now()) && noexcept {
            std::move(permit_).done(verdict, now);
        }

        void abandon(TimePoint now) && noexcept { std::move(permit_).abandon(now); }

        void abandon() && noexcept { std::move(permit_).abandon(); }

    private:
        friend SharedCircuitBreaker;

        Permit(std::shared_ptr<Breaker> breaker, typename Breaker::Permit permit) noexcept
            : breaker_{std::move(breaker)}, permit_{std::move(permit)} {}

        // Declared first, so that it is let go of last.
        std::shared_ptr<Breaker> breaker_;
        typename Breaker::Permit permit_;
    };

    /// Makes a breaker; throws as its constructor does.
    explicit SharedCircuitBreaker(
        const CircuitBreakerOptions& options = {},
        Observer observer = {},
        TimeSource time = {}
    )
        : breaker_{std::make_shared<Breaker>(
              options, std::forward<Observer>(observer), std::forward<TimeSource>(time)
          )} {}

    /// Shares a breaker made elsewhere; not null.
    explicit SharedCircuitBreaker(std::shared_ptr<Breaker> breaker) noexcept
        : breaker_{std::move(breaker)} {}

    /// As @ref CircuitBreaker::try_acquire. A refusal does not touch the reference count.
    [[nodiscard]] Permit try_acquire(TimePoint now = Clock::now()) const noexcept {
        typename Breaker::Permit permit = breaker_->try_acquire(now);
        const bool admitted{permit};
        return Permit{admitted ? breaker_ : nullptr, std::move(permit)};
    }

    Breaker& operator*() const noexcept { return *breaker_; }
    Breaker* operator->() const noexcept { return breaker_.get(); }

private:
    std::shared_ptr<Breaker> breaker_;
};

SharedCircuitBreaker(CircuitBreakerOptions)->SharedCircuitBreaker<>;
template <class Observer>
SharedCircuitBreaker(CircuitBreakerOptions, Observer) -> SharedCircuitBreaker<Observer>;
template <class Observer, class TimeSource>
requires requires(TimeSource& time) { time.now(); }
SharedCircuitBreaker(CircuitBreakerOptions, Observer, TimeSource&&)
    ->SharedCircuitBreaker<Observer, detail::ChosenWindow, TimeSource>;

/// As @ref TimedCircuitBreaker.
template <class TimeSource, class Observer = NoObserver>
using TimedSharedCircuitBreaker =
    SharedCircuitBreaker<Observer, detail::ChosenWindow, TimeSource>;

}  // namespace resilience

#endif
