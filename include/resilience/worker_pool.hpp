// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_WORKER_POOL_HPP
#define RESILIENCE_WORKER_POOL_HPP

#include <resilience/clock.hpp>
#include <resilience/observer.hpp>
#include <resilience/task.hpp>
#include <resilience/worker_pool_options.hpp>

#include <resilience/detail/blocking_waiter.hpp>
#include <resilience/detail/instant_in.hpp>
#include <resilience/detail/pool_frame.hpp>
#include <resilience/detail/task_counters.hpp>
#include <resilience/detail/task_queue.hpp>
#include <resilience/detail/worker_crew.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace resilience {

namespace detail {
struct WorkerPoolAccess;
}

/** Runs tasks on a fixed number of threads, from a bounded queue.

    A task that is refused stays with the caller, and why is a value. A task that was
   taken comes to exactly one end: it runs, or it is told why not (see @ref Task), or it
   is handed back by @ref drain. A task that throws is counted and told to the observer,
   and the worker goes on. Nothing is allocated for a task.

    Tasks of one priority are taken in the order of their submission. Of sixteen tasks
    taken, at least one is of low priority and three are of normal priority, if such wait:
    so none starves.

    Destroying the pool refuses and cancels: no task is started any more, those that run
    are asked to stop and waited for, those that wait are told `closed`. To let the queue
    run out call @ref drain before. A task that never ends keeps the destructor for ever.

    @tparam Observer Sees @ref TaskThrew, @ref TaskGivenUp, @ref TaskRefused and
        @ref PoolDrained.
    @tparam Now Tells the time to which the deadlines of tasks are compared.

    @par Thread safety
    Safe, but for the destructor. A task must not destroy its pool.

    @par Example
    @code
    WorkerPool pool{{.threads = 4, .capacity = 100}};
    if (auto s = pool.try_submit([] { work(); }); !s) return busy(s.error());
    @endcode
*/
template <class Observer = NoObserver, class Now = SteadyNow>
class WorkerPool {
public:
    /** Starts the threads.
        @throws std::invalid_argument Names the field of `options` that is out of range.
        @throws std::system_error A thread could not be started; none is left over.
    */
    explicit WorkerPool(
        const WorkerPoolOptions& options = {}, Observer observer = {}, Now now = {}
    );

    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool() { stop(); }

    /** Submits a task, or not. Never waits.

        A full queue does what `WorkerPoolOptions::overflow` says.

        @par Errors
        @li Errc::queue_full There is no space, or submitters wait for it already.
        @li Errc::closed The pool is being drained.
        @throws std::invalid_argument Names the field of `options` that is out of range.
    */
    template <Submittable F>
    Submission try_submit(F&& f, const TaskOptions& options = {});

    /** Submits a task; waits for space while the queue is full, whatever
        `WorkerPoolOptions::overflow` says. Submitters get space in the order of their
        coming.

        @param stop Ends the wait.

        @par Errors
        @li Errc::invalid_request This thread is a worker of this pool: if all workers
            waited, nobody would make space.
        @li Errc::queue_full Too many submitters wait.
        @li Errc::timed_out No space came within `WorkerPoolOptions::max_wait`, or before
            the deadline of the task.
        @li Errc::cancelled, Errc::closed
    */
    template <Submittable F>
    Submission submit_wait(
        F&& f, const TaskOptions& options = {}, std::stop_token stop = {}
    );

    /** Ends the work: takes nothing more in, lets the queue run out until `deadline`,
       then asks the running tasks to stop, takes the others out of the queue, and gives
       the running ones `WorkerPoolOptions::stop_grace` to end.

        Called again, it waits for what still runs.

        @throws std::bad_alloc There is no memory for the report; nothing is lost, and the
            call may be repeated.
    */
    DrainReport drain(TimePoint deadline);

    /// Tells the state.
    WorkerPoolSnapshot snapshot() const noexcept;

    /// The options in force.
    WorkerPoolOptions options() const { return queue_->settings().with(options_); }

    /** Replaces the options of a pool in use, but for `threads`, `capacity` and `name`.
        Tasks that were taken stay, and waits that have begun end when they would have.

        @throws std::invalid_argument Names the field that is out of range, or cannot
            change; nothing has changed then.
    */
    void reconfigure(const WorkerPoolOptions& options) {
        queue_->settings().change(options_, options);
    }

    Observer& observer() noexcept { return observer_; }

private:
    friend struct detail::WorkerPoolAccess;
    using Frame = detail::PoolFrame;

    template <class F>
    Submission offer(F&& f, const TaskOptions& options);
    template <class F>
    Submission run_here(F&& f, const TaskOptions& options);
    Submission refuse(Errc why, const TaskOptions& options) noexcept;
    void work(std::size_t worker) noexcept;
    void run(
        QueuedTask& task, std::size_t worker, detail::TaskCounters& counters
    ) noexcept;
    void give_up(QueuedTask& task, Errc why) noexcept;
    detail::TaskCounts counts() const noexcept;
    detail::TaskCounters& guests() const noexcept { return counters_[options_.threads]; }
    void close() noexcept;
    void stop() noexcept;

    const WorkerPoolOptions options_;  // those that it began with
    [[no_unique_address]] Observer observer_;
    [[no_unique_address]] const Now now_;
    const std::shared_ptr<detail::TaskQueue> queue_;
    std::stop_source stop_;
    const std::stop_token token_{stop_.get_token()};

    // One for each worker and one for the submitters that run tasks.
    const std::unique_ptr<detail::TaskCounters[]> counters_;

    alignas(64) std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> shed_{0};
    std::atomic<std::uint64_t> expired_{0};  // given up for newer ones
    std::atomic<std::uint64_t> unstarted_{0};
    detail::WorkerCrew crew_;
};

template <class Observer, class Now>
WorkerPool<Observer, Now>::WorkerPool(
    const WorkerPoolOptions& options, Observer observer, Now now
)
    : options_{detail::checked(options)},
      observer_(std::forward<Observer>(observer)),
      now_{std::move(now)},
      queue_{std::make_shared<detail::TaskQueue>(options_)},
      counters_{std::make_unique<detail::TaskCounters[]>(options_.threads + 1)} {
    guests().share();
    try {
        crew_.start(options_.threads, options_.name, [this](std::size_t i) { work(i); });
    } catch (...) {
        stop();
        throw;
    }
}

template <class Observer, class Now>
template <Submittable F>
Submission WorkerPool<Observer, Now>::try_submit(F&& f, const TaskOptions& options) {
    using Callable = std::decay_t<F>;
    if constexpr (std::is_nothrow_constructible_v<Callable, F>) {
        return offer(std::forward<F>(f), options);
    } else {
        // Copied here, where a copy may throw.
        return offer(Callable(std::forward<F>(f)), options);
    }
}

template <class Observer, class Now>
template <class F>
Submission WorkerPool<Observer, Now>::offer(F&& f, const TaskOptions& options) {
    QueuedTask displaced;
    const Overflow overflow = queue_->settings().overflow();
    const detail::Offer answer = queue_->offer(
        detail::checked(options).priority,
        overflow,
        [&](QueuedTask* cell) { std::construct_at(cell, std::forward<F>(f), options); },
        now_,
        displaced
    );
    if (answer == detail::Offer::taken_instead) {
        const bool shed = overflow == Overflow::drop_oldest;
        (shed ? shed_ : expired_).fetch_add(1, std::memory_order_relaxed);
        give_up(displaced, shed ? Errc::shed : Errc::timed_out);
        return Submission::accepted();
    }
    if (answer == detail::Offer::taken) return Submission::accepted();
    if (answer == detail::Offer::closed) return refuse(Errc::closed, options);
    if (overflow == Overflow::caller_runs && !Frame::runs_own(this)) {
        return run_here(std::forward<F>(f), options);
    }
    return refuse(Errc::queue_full, options);
}

template <class Observer, class Now>
template <class F>
Submission WorkerPool<Observer, Now>::run_here(F&& f, const TaskOptions& options) {
    if (!crew_.join_in()) return refuse(Errc::closed, options);
    {
        const Frame frame{this, Frame::Role::submitter};
        QueuedTask task{std::forward<F>(f), options};
        run(task, TaskContext::no_worker, guests());
    }
    crew_.leave();
    return Submission::accepted();
}

template <class Observer, class Now>
template <Submittable F>
Submission WorkerPool<Observer, Now>::submit_wait(
    F&& f, const TaskOptions& options, std::stop_token stop
) {
    using Callable = std::decay_t<F>;
    if constexpr (std::is_lvalue_reference_v<F>) {
        return submit_wait(Callable(f), options, std::move(stop));
    } else {
        if (Frame::works_for(this)) return refuse(Errc::invalid_request, options);
        detail::BlockingWaiter<Callable> waiter{f, detail::checked(options)};
        switch (queue_->offer_or_block(waiter)) {
            case detail::Offer::taken:
                return Submission::accepted();
            case detail::Offer::waiting:
                break;
            case detail::Offer::closed:
                return refuse(Errc::closed, options);
            default:
                return refuse(Errc::queue_full, options);
        }
        const detail::PoolSettings& settings = queue_->settings();
        std::optional<bool> queued =
            waiter.wait(stop, settings.end_of_wait(options.deadline, now_));
        if (!queued) {
            if (queue_->withdraw(waiter)) {
                const bool stopped = stop.stop_requested();
                return refuse(stopped ? Errc::cancelled : Errc::timed_out, options);
            }
            queued = waiter.wait();
        }
        return *queued ? Submission::accepted() : refuse(Errc::closed, options);
    }
}

template <class Observer, class Now>
Submission WorkerPool<Observer, Now>::refuse(
    Errc why, const TaskOptions& options
) noexcept {
    refused_.fetch_add(1, std::memory_order_relaxed);
    detail::notify(observer_, TaskRefused{why, options.priority, options.correlation_id});
    return Submission::refused(why);
}

template <class Observer, class Now>
void WorkerPool<Observer, Now>::work(std::size_t worker) noexcept {
    const Frame frame{this, Frame::Role::worker};
    QueuedTask task;
    while (queue_->take(task)) run(task, worker, counters_[worker]);
}

template <class Observer, class Now>
void WorkerPool<Observer, Now>::run(
    QueuedTask& task, std::size_t worker, detail::TaskCounters& counters
) noexcept {
    if (task.has_deadline() && task.expired(now_())) {
        counters.expire();
        give_up(task, Errc::timed_out);
        return;
    }
    counters.start();
    bool threw = false;
    try {
        task.task.run(
            {worker, task.priority(), task.deadline(), task.correlation_id(), token_}
        );
    } catch (...) {
        threw = true;
        detail::notify(
            observer_, TaskThrew{worker, task.correlation_id(), std::current_exception()}
        );
    }
    counters.end(token_.stop_requested(), threw);
}

template <class Observer, class Now>
void WorkerPool<Observer, Now>::give_up(QueuedTask& task, Errc why) noexcept {
    detail::notify(observer_, TaskGivenUp{why, task.priority(), task.correlation_id()});
    task.task.skip(why);
}

template <class Observer, class Now>
DrainReport WorkerPool<Observer, Now>::drain(TimePoint deadline) {
    DrainReport report;
    if (Frame::runs_any(this)) {
        report.refused = make_error_code(Errc::invalid_request);
        return report;
    }
    const detail::TaskCounts before = counts();
    close();
    if (!crew_.wait_until(deadline)) {
        report.unstarted.reserve(queue_->size());
        queue_->halt();
        stop_.request_stop();
        for (QueuedTask task; queue_->take_back(task);) {
            report.unstarted.push_back(std::move(task));
        }
        unstarted_.fetch_add(report.unstarted.size(), std::memory_order_relaxed);
        crew_.wait_until(detail::instant_in(queue_->settings().stop_grace()));
    }
    const detail::TaskCounts after = counts();
    report.completed = after.completed - before.completed;
    report.cancelled = after.cancelled - before.cancelled;
    report.expired = after.expired - before.expired;
    report.running = after.running();
    detail::notify(observer_, PoolDrained{report});
    return report;
}

template <class Observer, class Now>
detail::TaskCounts WorkerPool<Observer, Now>::counts() const noexcept {
    detail::TaskCounts sum;
    for (std::size_t i = 0; i <= options_.threads; ++i) counters_[i].add_to(sum);
    return sum;
}

template <class Observer, class Now>
WorkerPoolSnapshot WorkerPool<Observer, Now>::snapshot() const noexcept {
    WorkerPoolSnapshot s;
    const detail::TaskCounts sum = counts();
    detail::TaskCounts guest;
    guests().add_to(guest);
    for (std::size_t i = 0; i < s.queued.size(); ++i) {
        s.queued[i] = queue_->size(static_cast<Priority>(i));
        s.queue_size += s.queued[i];
    }
    s.waiting = queue_->waiting();
    s.processing = sum.running();
    s.completed = sum.completed;
    s.cancelled = sum.cancelled;
    s.threw = sum.threw;
    s.expired = sum.expired + expired_.load(std::memory_order_relaxed);
    s.dropped = shed_.load(std::memory_order_relaxed);
    s.unstarted = unstarted_.load(std::memory_order_relaxed);
    s.refused = refused_.load(std::memory_order_relaxed);
    s.caller_ran = guest.started + guest.expired;
    s.submitted = queue_->added() + s.caller_ran;
    return s;
}

template <class Observer, class Now>
void WorkerPool<Observer, Now>::close() noexcept {
    crew_.close();
    queue_->close();
}

template <class Observer, class Now>
void WorkerPool<Observer, Now>::stop() noexcept {
    close();
    queue_->halt();
    stop_.request_stop();
    for (QueuedTask task; queue_->take_back(task);) task.task.skip(Errc::closed);
    crew_.join();
}

}  // namespace resilience

#endif
