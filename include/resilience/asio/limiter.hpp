// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_LIMITER_HPP
#define RESILIENCE_ASIO_LIMITER_HPP

#include <resilience/asio/detail/waiting_place.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/clock.hpp>
#include <resilience/rate_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace resilience {

/// A @ref RateLimiter that promises what will be there later, and takes the promise back:
/// @ref TokenBucket and @ref LeakyBucket. `refund` may do without the instant.
template <class L>
concept ReservingLimiter = RateLimiter<L> && requires(
    L& limiter,
    std::uint32_t n,
    TimePoint now,
    std::chrono::nanoseconds max_wait,
    const Reservation& reservation
) {
    { limiter.reserve(n, now, max_wait) }
    noexcept->std::same_as<Reservation>;
    { limiter.refund(reservation) }
    noexcept->std::same_as<bool>;
};

/// How long a call may wait for a limiter.
struct LimiterWait {
    /// The longest wait that is of use. Not negative; 0 to go ahead now or not at all;
    /// default 1 s.
    std::chrono::nanoseconds max_wait = std::chrono::seconds{1};

    /// The instant after which a wait is of no use; none by default. As with a bulkhead,
    /// what is there is had also when it has passed.
    TimePoint deadline = TimePoint::max();
};

namespace detail {

/** One operation that waits until what it reserved of `Limiter` may be used.

    The handler of its timer owns it, so it ends with its context at the latest; what was
    reserved for a handler that is not told so goes back.
*/
template <class Limiter, class Handler>
class AsyncReservation {
public:
    AsyncReservation(WaitingPlace place, Limiter& limiter, Handler handler)
        : place_(std::move(place)),
          limiter_(limiter),
          timer_(place_.executor),
          handler_(std::move(handler)) {}

    AsyncReservation(const AsyncReservation&) = delete;
    AsyncReservation& operator=(const AsyncReservation&) = delete;

    ~AsyncReservation() { give_back(); }

    static void start(
        const std::shared_ptr<AsyncReservation>& self,
        std::uint32_t n,
        const LimiterWait& wait
    ) {
        const TimePoint now = self->timer_.now();
        const auto left = std::max(saturated_span(now, wait.deadline), {});
        self->reservation_ =
            self->limiter_.reserve(n, now, std::min(wait.max_wait, left));
        const bool waits = self->reservation_ && self->reservation_.wait.count() > 0;
        if (!waits) {
            net::post(self->timer_.get_executor(), [self]() mutable {
                complete(std::move(self));
            });
            return;
        }
        auto slot = net::get_associated_cancellation_slot(self->handler_);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr{self}](net::cancellation_type type) {
                const auto waiter = weak.lock();
                if (waiter && type != net::cancellation_type::none) waiter->cancel();
            });
        }
        self->timer_.async_wait_until(
            self->reservation_.start,
            [self](const Result<void>&) mutable { complete(std::move(self)); }
        );
    }

private:
    void cancel() {
        cancelled_.store(true, std::memory_order_relaxed);
        timer_.cancel();
    }

    void give_back() noexcept {
        const Reservation unused = std::exchange(reservation_, {});
        if (!unused) return;
        if constexpr (requires { limiter_.refund(unused, timer_.now()); }) {
            limiter_.refund(unused, timer_.now());
        } else {
            limiter_.refund(unused);
        }
    }

    /// Settles what became of the reservation.
    Result<void> end() {
        if (!reservation_) return fail(Errc::rate_limited, {}, reservation_.wait);
        if (cancelled_.load(std::memory_order_relaxed)) {
            give_back();
            return fail(Errc::cancelled);
        }
        reservation_.granted = false;
        return {};
    }

    static void complete(std::shared_ptr<AsyncReservation> self) {
        leave_slot(self->place_, self->handler_);
        const Result<void> result = self->end();
        Handler handler = std::move(self->handler_);
        self.reset();
        std::move(handler)(result);
    }

    const WaitingPlace place_;
    Limiter& limiter_;
    Timer timer_;
    Handler handler_;
    Reservation reservation_;
    std::atomic<bool> cancelled_{false};
};

/// Begins @ref async_acquire.
struct AcquireTokens {
    template <class Handler, class Limiter>
    void operator()(
        Handler&& handler, Limiter* limiter, std::uint32_t n, LimiterWait wait
    ) const {
        using Waiter = AsyncReservation<Limiter, std::decay_t<Handler>>;
        Waiter::start(
            make_waiting<Waiter>(
                waiting_place(handler), *limiter, std::forward<Handler>(handler)
            ),
            n,
            wait
        );
    }
};

}  // namespace detail

/** Takes `n` of `limiter`, and waits until they are there.

    What has not arrived is promised at once, and the operation completes at the instant
    for which it is promised: operations are served in the order in which they began. How
    much may be promised is for the limiter to say: `TokenBucketOptions::max_debt`, which
    is 0 by default, so that nobody waits; `LeakyBucketOptions::capacity`.

    Blocks no thread. Waits in the executor of the handler; one that has none waits in
    Asio's system executor. Never completes within this call. A deadline that has passed
    forbids the wait, not what is there.

    @param n How many; for zero it completes at once.
    @param wait How long it may take. Who would have to wait longer is refused now.
    @throws std::invalid_argument `LimiterWait::max_wait` is negative.

    @par Completion signature
    `void(Result<void>)`

    @par Errors
    - @ref Errc::rate_limited The wait would be too long, or too much is promised already.
      `Failure::retry_after` is the time after which the same call would be admitted, or
      @ref Admission::never. Nothing was taken.
    - @ref Errc::cancelled

    @par Cancellation
    All types end the wait, as long as the completion has not run. What was promised goes
    back by the limiter's `refund`: of a leaky bucket, if nobody is behind in the queue;
    of a token bucket, less what those behind were promised by, until these are cancelled
    too. So of many waits that end together the last to end gives back what all had: those
    who come next find the token bucket as if none of them had waited.
    To be emitted in the executor of the handler; by any one thread if it has none.

    @par Object lifetimes
    The limiter must outlive the operation. If the context is destroyed before, what was
    promised goes back as if the wait were cancelled.

    @par Example
    @code
    const Result<void> may = co_await async_acquire(bucket, 1, {.max_wait = 100ms});
    if (!may) co_return may.error();
    co_return co_await call_the_peer();
    @endcode
*/
template <ReservingLimiter Limiter, class CompletionToken = net::deferred_t>
auto async_acquire(
    Limiter& limiter,
    std::uint32_t n,
    const LimiterWait& wait,
    CompletionToken&& token = {}
) {
    if (wait.max_wait.count() < 0) {
        throw std::invalid_argument{"LimiterWait::max_wait must not be negative"};
    }
    return net::async_initiate<CompletionToken, void(Result<void>)>(
        detail::AcquireTokens{}, token, &limiter, n, wait
    );
}

/// As above, and waits no longer than by default.
template <ReservingLimiter Limiter, class CompletionToken>
requires(!std::same_as<std::remove_cvref_t<CompletionToken>, LimiterWait>) auto async_acquire(
    Limiter& limiter, std::uint32_t n, CompletionToken&& token
) {
    return async_acquire(limiter, n, LimiterWait{}, std::forward<CompletionToken>(token));
}

/// The same for the default token.
template <ReservingLimiter Limiter>
auto async_acquire(Limiter& limiter, std::uint32_t n) {
    return async_acquire(limiter, n, LimiterWait{});
}

}  // namespace resilience

#endif
