// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_WORKER_POOL_HPP
#define RESILIENCE_ASIO_WORKER_POOL_HPP

#include <resilience/asio/detail/outside_operations.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/worker_pool.hpp>

#include <resilience/detail/worker_pool_access.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>

#include <atomic>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

namespace resilience {

namespace detail {

template <class T>
struct AsResult {
    using type = Result<T>;
};
template <class T>
struct AsResult<Result<T>> {
    using type = Result<T>;
};

template <class F>
decltype(auto) call_task(F& f, const TaskContext& context) {
    if constexpr (std::invocable<F&, const TaskContext&>) {
        return std::invoke(f, context);
    } else {
        return std::invoke(f);
    }
}

/// What a submission of `F` completes with: what `F` returns, as a result.
template <class F>
using TaskResult = typename AsResult<std::remove_cvref_t<
    decltype(call_task(std::declval<F&>(), std::declval<const TaskContext&>()))>>::type;

/** One asynchronous submission: it waits for space, then for its turn, then it runs, and
    then its handler is called with the result. Whoever moves it to `ended` completes it.

    It is owned by the queue while it waits for space, by its task afterwards.
*/
template <class F, class Handler>
class Submit final : public SpaceWaiter,
                     public std::enable_shared_from_this<Submit<F, Handler>> {
public:
    using Value = TaskResult<F>;

    Submit(F f, const TaskOptions& options, Handler handler)
        : f_{std::move(f)},
          correlation_id_{options.correlation_id},
          options_{options},
          handler_{std::move(handler)} {
        options_.correlation_id = correlation_id_;
    }

    /// @throws What the executor threw, if the operation ended at once: nobody else
    ///     would tell the caller of its end. The handler is destroyed then.
    void start(const std::shared_ptr<TaskQueue>& queue) {
        const auto self = this->shared_from_this();
        queue_ = queue;
        if (auto slot = handler_.slot(); slot.is_connected()) {
            stop_.emplace();
            slot.assign([weak = this->weak_from_this()](net::cancellation_type type) {
                if (type == net::cancellation_type::none) return;
                if (const auto operation = weak.lock()) operation->cancel();
            });
        }
        // From here on the context holds the handler, and nothing but its end may fail.
        handler_.enlist({self, &handler_});
        waiting_ = self;
        switch (queue->offer_or_wait(*this)) {
            case Offer::taken:
                waiting_.reset();
                break;
            case Offer::waiting:
                break;
            case Offer::closed:
                end_at_once(std::move(waiting_), Errc::closed);
                break;
            default:
                end_at_once(std::move(waiting_), Errc::queue_full);
                break;
        }
    }

    Priority priority() const noexcept override { return options_.priority; }

    void move_into(QueuedTask* cell) noexcept override {
        state_ = State::queued;
        std::construct_at(cell, Turn{this->shared_from_this()}, options_);
    }

    void resumed(bool queued) noexcept override {
        auto self = std::move(waiting_);
        if (!queued) give_up(std::move(self), Errc::closed);
    }

private:
    using Outside = OutsideHandler<Handler, Value>;

    enum class State { waiting, queued, running, ended };

    /// What the pool runs, or not.
    struct Turn {
        std::shared_ptr<Submit> operation;

        void operator()(const TaskContext& context) { operation->run(context); }
        void not_run(Errc why) noexcept { operation->end_queued(why); }
    };

    bool advance(State from, State to) noexcept {
        return state_.compare_exchange_strong(from, to);
    }

    void cancel() {
        if (state_ == State::waiting && queue_->withdraw(*this)) {
            give_up(std::move(waiting_), Errc::cancelled);
        } else if (!end_queued(Errc::cancelled)) {
            stop_->request_stop();
        }
    }

    static void give_up(std::shared_ptr<Submit> self, Errc why) {
        self->state_ = State::ended;
        self->handler_.complete(fail(why));
    }

    static void end_at_once(std::shared_ptr<Submit> self, Errc why) {
        self->state_ = State::ended;
        const std::exception_ptr thrown =
            self->handler_.complete(fail(why), Outside::Unposted::dropped);
        if (thrown) std::rethrow_exception(thrown);
    }

    bool end_queued(Errc why) {
        const bool ended = advance(State::queued, State::ended);
        if (ended) handler_.complete(fail(why));
        return ended;
    }

    void run(const TaskContext& context) {
        if (!advance(State::queued, State::running)) return;
        std::exception_ptr thrown;
        std::optional<Value> value;
        try {
            value = stop_ ? call_stoppable(context) : call(context);
        } catch (...) {
            thrown = std::current_exception();
            value = failure_of(thrown);
        }
        f_.reset();
        state_ = State::ended;
        const std::exception_ptr undelivered = handler_.complete(std::move(*value));
        if (!thrown) thrown = undelivered;
        // The pool counts it.
        if (thrown) std::rethrow_exception(thrown);
    }

    Value call(const TaskContext& context) {
        if constexpr (std::is_void_v<decltype(call_task(*f_, context))>) {
            call_task(*f_, context);
            return {};
        } else {
            return call_task(*f_, context);
        }
    }

    /// The pool's stop reaches the task, and the caller's cancellation too.
    Value call_stoppable(const TaskContext& context) {
        const std::stop_callback on_stop{context.stop, [this] { stop_->request_stop(); }};
        const std::stop_token token = stop_->get_token();
        return call(
            {context.worker,
             context.priority,
             context.deadline,
             context.correlation_id,
             token}
        );
    }

    std::optional<F> f_;
    const std::string correlation_id_;
    TaskOptions options_;
    std::shared_ptr<TaskQueue> queue_;
    std::optional<std::stop_source> stop_;
    std::atomic<State> state_{State::waiting};
    std::shared_ptr<Submit> waiting_;  // itself, while it waits for space
    Outside handler_;
};

/// Starts a submission once its handler is known.
struct InitiateSubmit {
    std::shared_ptr<TaskQueue> queue;
    Priority priority;
    TimePoint deadline;
    std::string correlation_id;

    template <class Handler, class F>
    void operator()(Handler handler, F f) {
        const TaskOptions options{priority, deadline, correlation_id};
        std::make_shared<Submit<F, Handler>>(std::move(f), options, std::move(handler))
            ->start(queue);
    }
};

}  // namespace detail

/** Submits a task to a pool and completes with what it returns: waits for space while the
    queue is full, whatever `WorkerPoolOptions::overflow` says, in the order of coming
    with @ref WorkerPool::submit_wait.

    What `f` throws is the result too, as Errc::internal, and is counted by the pool.
    Allocates the operation.

    @param f Called once on a worker, with a `const TaskContext&` or nothing; returns a
        value, nothing, or a `Result`. Any size. Destroyed on the worker.
    @param options The deadline is looked at when the task's turn comes, not before.

    @throws std::invalid_argument Names the field of `options` that is out of range.
    @throws std::bad_alloc There is no memory for the operation.
    @throws ... What the handler's executor throws when it is given the handler of an
        operation that ended at once, by Errc::queue_full or Errc::closed. The handler is
        destroyed then.

    @par Completion signature
    `void(Result<T>)`, where `f` returns `T` or `Result<T>`. Called by the handler's own
    executor, never inline. If that executor throws when it is given the handler after
    the initiation, by a worker, by who closes the pool or by who cancels, for want of
    memory say, the handler is not called: it is destroyed with its context and keeps that
    at work no more. If `f` had run, the pool counts it as one that threw.

    @par Errors
    @li Errc::queue_full Too many submitters wait: `WorkerPoolOptions::max_waiting`.
    @li Errc::timed_out The deadline passed before the task's turn.
    @li Errc::closed The pool was drained or destroyed before there was space.
    @li Errc::cancelled Also if a drain handed the task back and it was destroyed.

    @par Cancellation
    All types. While the task waits, for space or its turn, it ends at once; the place in
    the queue is free again when its turn comes. While it runs, `TaskContext::stop` tells
    it, and the operation ends when it does: with what it returns.

    @par Object lifetimes
    The pool may be destroyed before the operation ends, and so may the `io_context` of
    the handler: then the handler is destroyed with it, and a task that was queued runs
    all the same.
*/
template <class Observer, class Now, class F, class CompletionToken = net::deferred_t>
requires TaskCallable<std::decay_t<F>>
auto async_submit(
    WorkerPool<Observer, Now>& pool,
    F&& f,
    const TaskOptions& options,
    CompletionToken&& token = {}
) {
    using Signature = void(detail::TaskResult<std::decay_t<F>>);
    return net::async_initiate<CompletionToken, Signature>(
        detail::InitiateSubmit{
            detail::WorkerPoolAccess::queue(pool),
            detail::checked(options).priority,
            options.deadline,
            std::string{options.correlation_id}},
        token,
        std::decay_t<F>(std::forward<F>(f))
    );
}

/// The same without options.
template <class Observer, class Now, class F, class CompletionToken = net::deferred_t>
requires TaskCallable<std::decay_t<F>> &&
    (!std::same_as<std::remove_cvref_t<CompletionToken>, TaskOptions>)auto async_submit(
        WorkerPool<Observer, Now>& pool, F&& f, CompletionToken&& token = {}
    ) {
    return async_submit(
        pool, std::forward<F>(f), TaskOptions{}, std::forward<CompletionToken>(token)
    );
}

}  // namespace resilience

#endif
