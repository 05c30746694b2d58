// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_HEDGED_OPERATION_HPP
#define RESILIENCE_ASIO_DETAIL_HEDGED_OPERATION_HPP

#include <resilience/asio/detail/caller.hpp>
#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/hedge.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace resilience::detail {

/** The attempts of one hedged call and the timer between them.

    Owned by their handlers. The caller's handler is called when all of them have ended.
    All but @ref start happens on the serial executor.
*/
template <class Observer, class Operation, class CallerHandler, class... Args>
class HedgedOperation
    : public std::enable_shared_from_this<
          HedgedOperation<Observer, Operation, CallerHandler, Args...>> {
public:
    using Self = std::shared_ptr<HedgedOperation>;

    static void start(
        const net::any_io_executor& executor,
        Hedge<Observer>& hedge,
        CallerHandler handler,
        Operation operation
    ) {
        auto slot = net::get_associated_cancellation_slot(handler);
        auto self = std::allocate_shared<HedgedOperation>(
            net::recycling_allocator<void>(),
            serial(executor),
            hedge,
            std::move(handler),
            std::move(operation)
        );
        if (slot.is_connected()) slot.assign(ForwardCancellation{std::weak_ptr{self}});
        net::dispatch(self->executor_, [self] { self->begin(); });
    }

    HedgedOperation(
        net::any_io_executor executor,
        Hedge<Observer>& hedge,
        CallerHandler&& handler,
        Operation&& operation
    )
        : executor_(std::move(executor)),
          hedge_(hedge),
          timer_(executor_),
          caller_(std::in_place, std::move(handler), executor_),
          operation_(std::move(operation)),
          attempts_(hedge.options().attempts) {}

    const net::any_io_executor& get_executor() const noexcept { return executor_; }

    /// The caller gives up: so do the attempts, and no further one is made.
    void cancel(net::cancellation_type type) {
        if (!caller_) return;
        cancelled_ = true;
        hedging_ = false;
        timer_.cancel();
        for (Attempt& attempt : attempts_) {
            if (attempt.running) attempt.signal.emit(type);
        }
    }

private:
    using Values = std::tuple<Args...>;

    struct Attempt {
        net::cancellation_signal signal;
        std::optional<Values> end;
        BudgetLease lease;
        bool running = false;
    };

    void begin() {
        if (cancelled_) {
            attempts_[0].end.emplace(End<Args...>::make(fail(Errc::cancelled)));
            winner_ = 0;
            return finish();
        }
        begin_ = timer_.now();
        hedge_.begin(begin_);
        delay_ = hedge_.delay();
        hedging_ = delay_.has_value();
        // Before the attempt, which may end as it begins.
        if (hedging_) wait();
        launch(BudgetLease{});
    }

    void wait() {
        timer_running_ = true;
        timer_.async_wait_until(
            timer_.now() + *delay_,
            net::bind_executor(
                executor_,
                [self = this->shared_from_this()](const Result<void>& reached) {
                    self->timer_running_ = false;
                    self->on_timer(reached.has_value());
                }
            )
        );
    }

    void launch(BudgetLease lease) {
        const std::uint32_t index = next_++;
        Attempt& attempt = attempts_[index];
        attempt.lease = std::move(lease);
        attempt.running = true;
        ++running_;
        auto on_end = [self = this->shared_from_this(), index](Args... args) {
            self->on_end(index, Values{std::move(args)...});
        };
        try {
            operation_(
                index,
                net::bind_cancellation_slot(
                    attempt.signal.slot(),
                    net::bind_executor(executor_, std::move(on_end))
                )
            );
        } catch (...) {
            Failure failure = failure_of(std::current_exception());
            net::post(
                executor_,
                [self = this->shared_from_this(), index, why = std::move(failure)] {
                    self->on_end(index, End<Args...>::make(why));
                }
            );
        }
    }

    void on_timer(bool reached) {
        if (!reached || !hedging_ || running_ == 0) return finish();
        BudgetLease lease = hedge_.try_start(next_, timer_.now());
        if (!lease) {
            hedging_ = false;
            return;
        }
        launch(std::move(lease));
        if (hedging_ && next_ < attempts_.size()) wait();
    }

    void on_end(std::uint32_t index, Values values) {
        Attempt& attempt = attempts_[index];
        attempt.running = false;
        --running_;
        const Verdict verdict = std::apply(&End<Args...>::classification, values).verdict;
        attempt.end.emplace(std::move(values));
        std::move(attempt.lease).done(verdict);
        const bool lost = winner_ && !cancelled_;
        if (index == 0 && tells_latency(verdict, lost)) {
            hedge_.record(timer_.now() - begin_);
        }
        if (forbids_hedges(verdict)) hedging_ = false;
        if (!winner_ && (ends_hedged_call(verdict) || running_ == 0)) {
            // If all failed, the first attempt's failure is the call's.
            win(ends_hedged_call(verdict) ? index : 0);
        }
        finish();
    }

    void win(std::uint32_t index) {
        winner_ = index;
        hedging_ = false;
        timer_.cancel();
        for (Attempt& attempt : attempts_) {
            if (attempt.running) attempt.signal.emit(net::cancellation_type::terminal);
        }
    }

    void finish() {
        if (!winner_ || running_ > 0 || timer_running_ || !caller_) return;
        hedge_.decide(*winner_);
        Caller<CallerHandler> caller = std::move(*caller_);
        caller_.reset();
        std::move(caller).complete(std::move(*attempts_[*winner_].end));
    }

    net::any_io_executor executor_;
    Hedge<Observer>& hedge_;
    Timer timer_;
    std::optional<Caller<CallerHandler>> caller_;
    Operation operation_;
    std::vector<Attempt, net::recycling_allocator<Attempt>> attempts_;
    TimePoint begin_{};
    std::optional<std::chrono::nanoseconds> delay_;
    std::optional<std::uint32_t> winner_;
    std::uint32_t next_ = 0;
    std::uint32_t running_ = 0;
    bool timer_running_ = false;
    bool hedging_ = false;
    bool cancelled_ = false;
};

}  // namespace resilience::detail

#endif
