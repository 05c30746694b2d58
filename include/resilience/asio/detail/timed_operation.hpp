// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_TIMED_OPERATION_HPP
#define RESILIENCE_ASIO_DETAIL_TIMED_OPERATION_HPP

#include <resilience/asio/detail/caller.hpp>
#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/timeout.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace resilience::detail {

/** An operation and the timer that cancels it.

    Owned by the handlers of the two. The caller's handler is called when both have ended
    or, with `detach_after`, when the operation is given up. All but @ref start happens on
    the serial executor.
*/
template <class Observer, class CallerHandler, class... Args>
class TimedOperation : public std::enable_shared_from_this<
                           TimedOperation<Observer, CallerHandler, Args...>> {
public:
    using Self = std::shared_ptr<TimedOperation>;

    template <class Operation>
    static void start(
        const net::any_io_executor& executor,
        Timeout<Observer>& timeout,
        CallerHandler handler,
        Operation operation,
        TimePoint outer
    ) {
        auto slot = net::get_associated_cancellation_slot(handler);
        // Not from the handler's allocator: a detached operation outlives the handler.
        auto self = std::allocate_shared<TimedOperation>(
            net::recycling_allocator<void>(),
            serial(executor),
            timeout,
            std::move(handler)
        );
        if (slot.is_connected()) slot.assign(ForwardCancellation{std::weak_ptr{self}});
        net::dispatch(
            self->executor_,
            [self, outer, work = std::move(operation)]() mutable {
                self->begin(outer, std::move(work));
            }
        );
    }

    TimedOperation(
        net::any_io_executor executor, Timeout<Observer>& timeout, CallerHandler&& handler
    )
        : executor_(std::move(executor)),
          timeout_(timeout),
          timer_(executor_),
          caller_(std::in_place, std::move(handler), executor_) {}

    const net::any_io_executor& get_executor() const noexcept { return executor_; }

    /// The caller gives up: so does the operation, whose end is then reported as it is.
    void cancel(net::cancellation_type type) {
        if (!caller_) return;
        cancelled_ = true;
        signal_.emit(type);
    }

private:
    using Values = std::tuple<Args...>;

    template <class Operation>
    void begin(TimePoint outer, Operation operation) {
        if (cancelled_) {
            values_.emplace(End<Args...>::make(fail(Errc::cancelled)));
            return complete();
        }
        // Before the operation, which may end as it begins.
        wait_until(timeout_.deadline(timer_.now(), outer));
        launch(std::move(operation));
    }

    void wait_until(TimePoint when) {
        timer_running_ = true;
        timer_.async_wait_until(
            when,
            net::bind_executor(
                executor_,
                [self = this->shared_from_this()](const Result<void>& reached) {
                    self->timer_running_ = false;
                    self->on_timer(reached.has_value());
                }
            )
        );
    }

    template <class Operation>
    void launch(Operation operation) {
        running_ = true;
        auto on_end = [self = this->shared_from_this()](Args... args) {
            self->on_end(std::move(args)...);
        };
        try {
            std::move(operation)(net::bind_cancellation_slot(
                signal_.slot(), net::bind_executor(executor_, std::move(on_end))
            ));
        } catch (...) {
            running_ = false;
            values_.emplace(End<Args...>::make(failure_of(std::current_exception())));
            timer_.cancel();
        }
    }

    void on_timer(bool reached) {
        if (!running_) return finish();
        if (!reached) return;
        if (!expired_) {
            expired_ = true;
            const auto grace = timeout_.options().detach_after;
            if (grace.count() > 0) wait_until(saturated_add(timer_.now(), grace));
            signal_.emit(net::cancellation_type::terminal);
        } else {
            detached_ = timeout_.detach();
            values_.emplace(End<Args...>::make(fail(Errc::timed_out_in_doubt)));
            complete();
        }
    }

    void on_end(Args... args) {
        running_ = false;
        if (detached_) {
            detached_.reset();
            return;
        }
        values_.emplace(std::move(args)...);
        timer_.cancel();
        finish();
    }

    void finish() {
        if (running_ || timer_running_) return;
        // A caller who cancelled learns what became of that.
        if (expired_ && !cancelled_) {
            const Classification own =
                std::apply(&End<Args...>::classification, *values_);
            if (const auto verdict = timeout_.judge_late(own)) {
                End<Args...>::replace(*values_, fail(*verdict));
            }
        }
        complete();
    }

    void complete() {
        Caller<CallerHandler> caller = std::move(*caller_);
        caller_.reset();
        std::move(caller).complete(std::move(*values_));
    }

    net::any_io_executor executor_;
    Timeout<Observer>& timeout_;
    Timer timer_;
    net::cancellation_signal signal_;
    std::optional<Caller<CallerHandler>> caller_;
    std::optional<Values> values_;
    std::shared_ptr<void> detached_;
    bool running_ = false;
    bool timer_running_ = false;
    bool expired_ = false;
    bool cancelled_ = false;
};

}  // namespace resilience::detail

#endif
