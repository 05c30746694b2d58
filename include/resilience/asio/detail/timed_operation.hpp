// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_TIMED_OPERATION_HPP
#define RESILIENCE_ASIO_DETAIL_TIMED_OPERATION_HPP

#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/timeout.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
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
        if (slot.is_connected()) slot.assign(Forward{self});
        net::dispatch(
            self->executor_,
            [self, outer, work = std::move(operation)]() mutable {
                self->wait_until(self->timeout_.deadline(self->timer_.now(), outer));
                self->launch(std::move(work));
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

private:
    using Values = std::tuple<Args...>;
    using CallerExecutor =
        net::associated_executor_t<CallerHandler, net::any_io_executor>;

    /// Hands a cancellation by the caller on.
    struct Forward {
        std::weak_ptr<TimedOperation> target;

        void operator()(net::cancellation_type type) const {
            const Self self = target.lock();
            if (!self || type == net::cancellation_type::none) return;
            net::dispatch(self->executor_, [self, type] {
                if (!self->caller_) return;
                self->cancelled_ = true;
                self->signal_.emit(type);
            });
        }
    };

    /// Where the caller waits.
    struct Caller {
        Caller(CallerHandler&& h, const net::any_io_executor& otherwise)
            : executor(net::get_associated_executor(h, otherwise)),
              work(executor),
              handler(std::move(h)) {}

        CallerExecutor executor;
        net::executor_work_guard<CallerExecutor> work;
        CallerHandler handler;
    };

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
        auto slot = net::get_associated_cancellation_slot(caller_->handler);
        if (slot.is_connected()) slot.clear();
        Caller caller = std::move(*caller_);
        caller_.reset();
        net::dispatch(
            caller.executor,
            [handler = std::move(caller.handler), values = std::move(*values_)](
            ) mutable { std::apply(std::move(handler), std::move(values)); }
        );
    }

    net::any_io_executor executor_;
    Timeout<Observer>& timeout_;
    Timer timer_;
    net::cancellation_signal signal_;
    std::optional<Caller> caller_;
    std::optional<Values> values_;
    std::shared_ptr<void> detached_;
    bool running_ = false;
    bool timer_running_ = false;
    bool expired_ = false;
    bool cancelled_ = false;
};

}  // namespace resilience::detail

#endif
