// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_WORKER_POOL_OPTIONS_HPP
#define RESILIENCE_WORKER_POOL_OPTIONS_HPP

#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/task.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace resilience {

/// What @ref WorkerPool::try_submit does when the queue is full.
enum class Overflow : std::uint8_t {
    /// Refuses the task.
    reject,
    /// Runs it on the submitting thread, which may be a worker. Refused if it is
    /// submitted
    /// by a task that runs in this way itself.
    caller_runs,
    /// Gives up the oldest task of the same priority, which is told `shed`.
    drop_oldest,
    /// Gives up the oldest task of the same priority whose deadline has passed, which is
    /// told `timed_out`. It looks at the 64 oldest, not further, as the others wait for
    /// that; refuses the new one if none of them has expired.
    drop_expired
};

/// Settings of a @ref WorkerPool.
struct WorkerPoolOptions {
    /// Threads. 1 to 1,024; default 10.
    std::size_t threads = 10;

    /// Most tasks that wait, at each priority: a flood of one priority leaves the others
    /// their room. 1 to 1,048,576; default 1,000. Takes 128 bytes for each of the three
    /// priorities, once used.
    std::size_t capacity = 1000;

    /// What happens to a task that finds the queue full. Default: it is refused.
    Overflow overflow = Overflow::reject;

    /// Most submitters that wait for space, at each priority. At most 1,048,576; default
    /// 1,000.
    std::size_t max_waiting = 1000;

    /// Longest wait of @ref WorkerPool::submit_wait. Positive; default 30 s.
    std::chrono::nanoseconds max_wait = std::chrono::seconds{30};

    /// Time that @ref WorkerPool::drain gives running tasks to end after it has asked
    /// them to stop. Not negative; default 1 s.
    std::chrono::nanoseconds stop_grace = std::chrono::seconds{1};

    /// How long one worker at a time looks for work before it sleeps. A task that comes
    /// meanwhile starts some microseconds sooner, at the price of a busy processor. Zero
    /// to 10 ms; default zero.
    std::chrono::nanoseconds spin{0};

    /// Begins the names of the threads, which end in a dash and the worker's number. Cut
    /// where the system wants short names. Default "worker".
    std::string name = "worker";
};

/// The time by which a @ref WorkerPool judges deadlines.
struct SteadyNow {
    TimePoint operator()() const noexcept { return Clock::now(); }
};

/// Whether a task was taken. One that was not is still the caller's, unchanged.
class [[nodiscard]] Submission {
public:
    static constexpr Submission accepted() noexcept { return Submission{Errc{}}; }
    static constexpr Submission refused(Errc why) noexcept { return Submission{why}; }

    constexpr bool has_value() const noexcept { return why_ == Errc{}; }
    constexpr explicit operator bool() const noexcept { return has_value(); }

    /// Why the task was refused; no error if it was not.
    std::error_code error() const noexcept {
        return has_value() ? std::error_code{} : make_error_code(why_);
    }

    friend constexpr bool operator==(Submission, Submission) = default;

private:
    constexpr explicit Submission(Errc why) noexcept : why_{why} {}
    Errc why_;
};

/// How a @ref WorkerPool::drain ended. Counts begin with the call.
struct DrainReport {
    /// Set if nothing was done: `invalid_request`, because the caller is itself a task of
    /// the pool.
    std::error_code refused{};

    /// Tasks that ended undisturbed.
    std::uint64_t completed = 0;

    /// Tasks that ended after they were asked to stop.
    std::uint64_t cancelled = 0;

    /// Tasks that were given up because their deadline had passed.
    std::uint64_t expired = 0;

    /// Tasks that have been asked to stop and still run.
    std::uint64_t running = 0;

    /// Tasks that were not started, highest priority first, oldest first: the caller's
    /// from now on, to be run, submitted elsewhere or stored. One that is destroyed is
    /// told `cancelled`.
    std::vector<QueuedTask> unstarted{};

    /// Whether every task ran to its end or its deadline.
    bool clean() const noexcept {
        return !refused && cancelled == 0 && running == 0 && unstarted.empty();
    }
};

/// The state of a @ref WorkerPool. Counters ascend for ever; when nothing moves,
/// `submitted` is the sum of `queue_size`, `processing`, `completed`, `cancelled`,
/// `expired`, `dropped` and `unstarted`.
struct WorkerPoolSnapshot {
    static constexpr const char* kind = "worker_pool";

    /// Tasks that wait (`user_service_queue_size`).
    std::size_t queue_size = 0;
    /// Of these, by priority.
    std::array<std::size_t, 3> queued{};
    /// Submitters that wait for space.
    std::size_t waiting = 0;
    /// Tasks that run (`user_service_queue_processing`).
    std::uint64_t processing = 0;
    /// Tasks ever taken (`user_service_queue_total`).
    std::uint64_t submitted = 0;
    /// Tasks that ended before any stop was asked for.
    std::uint64_t completed = 0;
    /// Tasks that ended after they were asked to stop.
    std::uint64_t cancelled = 0;
    /// Of the completed and cancelled, those that threw.
    std::uint64_t threw = 0;
    /// Tasks given up because their deadline had passed.
    std::uint64_t expired = 0;
    /// Tasks given up for newer ones.
    std::uint64_t dropped = 0;
    /// Tasks handed back by a drain.
    std::uint64_t unstarted = 0;
    /// Tasks refused.
    std::uint64_t refused = 0;
    /// Of the submitted, those run by their submitters.
    std::uint64_t caller_ran = 0;
};

/// Calls `visit(name, number)` for each reading; see @ref Registry.
template <class Visit>
void visit_readings(const WorkerPoolSnapshot& s, Visit&& visit) {
    visit("queue_size", s.queue_size);
    visit("queue_waiting", s.waiting);
    visit("queue_processing", s.processing);
    visit("queue_total", s.submitted);
    visit("completed_total", s.completed);
    visit("cancelled_total", s.cancelled);
    visit("threw_total", s.threw);
    visit("expired_total", s.expired);
    visit("dropped_total", s.dropped);
    visit("unstarted_total", s.unstarted);
    visit("refused_total", s.refused);
    visit("caller_ran_total", s.caller_ran);
}

/// Event: a task threw. The worker lives on.
struct TaskThrew {
    /// Or @ref TaskContext::no_worker.
    std::size_t worker;
    std::string_view correlation_id;
    std::exception_ptr exception;
};

/// Event: a task was given up.
struct TaskGivenUp {
    /// `timed_out` or `shed`.
    Errc why;
    Priority priority;
    std::string_view correlation_id;
};

/// Event: a submission was refused.
struct TaskRefused {
    Errc why;
    Priority priority;
    std::string_view correlation_id;
};

/// Event: a drain ended.
struct PoolDrained {
    const DrainReport& report;
};

namespace detail {

inline const WorkerPoolOptions& checked(const WorkerPoolOptions& o) {
    using namespace std::chrono_literals;
    const auto range = [](bool good, const char* text) {
        if (!good) throw std::invalid_argument{text};
    };
    constexpr std::size_t most = std::size_t{1} << 20;
    range(
        o.threads >= 1 && o.threads <= 1024,
        "WorkerPoolOptions::threads must be 1 to 1024"
    );
    range(
        o.capacity >= 1 && o.capacity <= most,
        "WorkerPoolOptions::capacity must be 1 to 1048576"
    );
    range(
        o.overflow <= Overflow::drop_expired,
        "WorkerPoolOptions::overflow must be an enumerator"
    );
    range(
        o.max_waiting <= most, "WorkerPoolOptions::max_waiting must be at most 1048576"
    );
    range(o.max_wait > 0ns, "WorkerPoolOptions::max_wait must be positive");
    range(o.stop_grace >= 0ns, "WorkerPoolOptions::stop_grace must not be negative");
    range(
        o.spin >= 0ns && o.spin <= 10ms, "WorkerPoolOptions::spin must be zero to 10 ms"
    );
    return o;
}

}  // namespace detail
}  // namespace resilience

#endif
