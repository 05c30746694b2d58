// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_BULKHEAD_HPP
#define RESILIENCE_ASIO_BULKHEAD_HPP

#include <resilience/asio/detail/waiting_place.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/clock.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

namespace resilience {

namespace detail {

template <class Slot>
Result<Slot> result_of(Slot slot) {
    if (slot) return slot;
    return Failure{slot.error(), {}, slot.retry_after()};
}

/** One operation that waits for a slot of `Guard`.

    The handler of its timer owns it, so it ends with its context at the latest; however
    the wait ends, the operation completes where that handler runs.
*/
template <class Guard, class Handler>
class AsyncWaiter final : public BulkheadWaiter {
public:
    using Slot = typename Guard::Slot;

    AsyncWaiter(WaitingPlace place, Guard& guard, Handler handler)
        : place_(std::move(place)),
          guard_(guard),
          timer_(place_.executor),
          handler_(std::move(handler)) {}

    /// A context that is destroyed leaves nothing behind in the bulkhead.
    ~AsyncWaiter() {
        if (handler_) {
            const Slot slot = guard_.settle(*this, WaitEnd::cancelled, timer_.now());
        }
    }

    static void start(const std::shared_ptr<AsyncWaiter>& self, TimePoint deadline) {
        if (!self->place_.own) return begin(self, deadline);
        // The timer may end before the wait for a slot has begun, on another thread.
        net::dispatch(self->place_.executor, [self, deadline] { begin(self, deadline); });
    }

private:
    static void begin(const std::shared_ptr<AsyncWaiter>& self, TimePoint deadline) {
        auto slot = net::get_associated_cancellation_slot(*self->handler_);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr{self}](net::cancellation_type type) {
                const auto waiter = weak.lock();
                if (waiter && type != net::cancellation_type::none) waiter->cancel();
            });
        }
        const TimePoint now = self->timer_.now();
        self->timer_.async_wait_until(
            std::min(deadline, saturated_add(now, self->guard_.options().max_wait)),
            [waiter = self](const Result<void>&) mutable { complete(std::move(waiter)); }
        );
        if (!may_end(self->guard_.enlist(*self, deadline, now))) self->timer_.cancel();
    }

    /// Whoever ended the wait is the only one to come here.
    void wake() noexcept override { timer_.cancel(); }

    void cancel() {
        cancelled_.store(true, std::memory_order_relaxed);
        if (guard_.end(*this, WaitEnd::cancelled)) timer_.cancel();
    }

    static void complete(std::shared_ptr<AsyncWaiter> self) {
        leave_slot(self->place_, *self->handler_);
        const bool cancelled = self->cancelled_.load(std::memory_order_relaxed);
        Result<Slot> result = result_of(self->guard_.settle(
            *self, cancelled ? WaitEnd::cancelled : WaitEnd::expired, self->timer_.now()
        ));
        Handler handler = std::move(*self->handler_);
        self->handler_.reset();
        self.reset();
        std::move(handler)(std::move(result));
    }

    const WaitingPlace place_;
    Guard& guard_;
    Timer timer_;
    std::optional<Handler> handler_;
    std::atomic<bool> cancelled_{false};
};

/// Begins @ref async_acquire.
struct AcquireSlot {
    template <class Handler, class Guard>
    void operator()(Handler&& handler, Guard* guard, TimePoint deadline) const {
        using Waiter = AsyncWaiter<Guard, std::decay_t<Handler>>;
        auto slot = guard->try_acquire_or_wait();
        if (slot) {
            net::post(
                net::append(std::forward<Handler>(handler), result_of(*std::move(slot)))
            );
            return;
        }
        Waiter::start(
            make_waiting<Waiter>(
                waiting_place(handler), *guard, std::forward<Handler>(handler)
            ),
            deadline
        );
    }
};

}  // namespace detail

/** Takes a slot of `bulkhead`, and waits until there is one.

    Who waits blocks no thread. Waits in the executor of the handler; one that has none
    waits in Asio's system executor.

    @param deadline No wait is longer than `BulkheadOptions::max_wait`; one that would end
        after this instant is cut short. A slot that is free is had also when it has
        passed.

    @par Completion signature
    `void(Result<Bulkhead<...>::Slot>)`

    @par Errors
    - @ref Errc::bulkhead_full No slot was free, and nobody more may wait, or none came
      free in time.
    - @ref Errc::shed The wait was given up because the queue is overloaded.
    - @ref Errc::cancelled

    @par Cancellation
    All types end the wait. A slot that was granted, and whose completion has not run yet,
    is given back. To be emitted in the executor of the handler; by any one thread if it
    has none.

    @par Object lifetimes
    The bulkhead must outlive the operation, and the slot. A context may be destroyed
   while operations on it wait, unless another thread gives slots back at that very time.

    @par Example
    @code
    auto slot = co_await async_acquire(bulkhead, deadline, net::use_awaitable);
    if (!slot) co_return slot.error();
    co_return co_await call_the_peer();
    @endcode
*/
template <class Observer, class TimeSource, class CompletionToken = net::deferred_t>
auto async_acquire(
    Bulkhead<Observer, TimeSource>& bulkhead,
    TimePoint deadline,
    CompletionToken&& token = {}
) {
    using Slot = typename Bulkhead<Observer, TimeSource>::Slot;
    return net::async_initiate<CompletionToken, void(Result<Slot>)>(
        detail::AcquireSlot{}, token, &bulkhead, deadline
    );
}

}  // namespace resilience

#endif
