// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TASK_HPP
#define RESILIENCE_TASK_HPP

#include <resilience/clock.hpp>
#include <resilience/error.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience {

/// How soon a task is taken from a queue. A lower one is delayed, never starved: see
/// @ref WorkerPool.
enum class Priority : std::uint8_t { high, normal, low };

/// What a task may know of the place where it runs. Valid while the task runs.
struct TaskContext {
    /// The @ref worker of a task that its submitter runs.
    static constexpr std::size_t no_worker = std::numeric_limits<std::size_t>::max();

    /// The worker's number, from zero, or @ref no_worker.
    std::size_t worker;

    Priority priority;

    /// When the result is of no more use; `TimePoint::max()` if always.
    TimePoint deadline;

    /// The id that came with the task; may be empty.
    std::string_view correlation_id;

    /// Tells the task to end early.
    const std::stop_token& stop;
};

/// What may be submitted: something to call once, with a `const TaskContext&` or with
/// nothing.
template <class F>
concept TaskCallable = std::invocable<F&, const TaskContext&> || std::invocable<F&>;

namespace detail {

/// Asks a constructor to take another object over, whose destructor is not called then.
/// The other one is not written to, so the cache line in which it lies stays shared.
struct Relocation {};

}  // namespace detail

/** Something to be called once, on another thread, or else to be told why not.

    A callable may have a function `void not_run(Errc why) noexcept`: it is called in
    place of the call if the task is given up, so each task comes to exactly one end.

    The callable is kept inside the task: nothing is allocated. It must be of at most
    @ref capacity bytes and move without throwing; @ref boxed makes one so.

    @par Thread safety
    A value.
*/
class Task {
public:
    /// Most bytes of a callable.
    static constexpr std::size_t capacity = 48;

    /// Makes a task that does nothing.
    Task() noexcept = default;

    template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Task> && TaskCallable<std::decay_t<F>>)
        Task(F&& f)
    noexcept(std::is_nothrow_constructible_v<std::decay_t<F>, F>) {
        using Callable = std::decay_t<F>;
        static_assert(
            sizeof(Callable) <= capacity && alignof(Callable) <= alignof(void*),
            "the callable is too large for a task: submit resilience::boxed(f), which "
            "allocates once"
        );
        static_assert(
            std::is_nothrow_move_constructible_v<Callable>,
            "a task must move without throwing: submit resilience::boxed(f)"
        );
        ::new (static_cast<void*>(storage_)) Callable(std::forward<F>(f));
        operations_ = &operations_of<Callable>;
    }

    Task(Task&& other) noexcept { take(other); }

    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            skip(Errc::cancelled);
            take(other);
        }
        return *this;
    }

    /// Tells a task that was neither run nor skipped that it is `cancelled`.
    ~Task() { skip(Errc::cancelled); }

    Task(detail::Relocation, Task& other) noexcept { copy(other); }

    /// Whether there is something to run.
    explicit operator bool() const noexcept { return operations_ != nullptr; }

    /// Calls the callable and destroys it. Throws what it throws.
    void run(const TaskContext& context) {
        if (operations_) std::exchange(operations_, nullptr)->run(storage_, context);
    }

    /// Tells the callable why it will not be called, and destroys it.
    void skip(Errc why) noexcept {
        if (operations_) std::exchange(operations_, nullptr)->skip(storage_, why);
    }

private:
    struct Operations {
        void (*run)(void*, const TaskContext&);
        void (*skip)(void*, Errc) noexcept;
        void (*relocate)(void* from, void* to) noexcept;  // null: copy the bytes
    };

    template <class F>
    struct Ending {
        F& f;
        ~Ending() { f.~F(); }
    };

    template <class F>
    static void run_and_destroy(void* storage, const TaskContext& context) {
        F& f = *std::launder(static_cast<F*>(storage));
        const Ending<F> ending{f};
        if constexpr (std::invocable<F&, const TaskContext&>) {
            std::invoke(f, context);
        } else {
            std::invoke(f);
        }
    }

    template <class F>
    static void skip_and_destroy(void* storage, [[maybe_unused]] Errc why) noexcept {
        F& f = *std::launder(static_cast<F*>(storage));
        const Ending<F> ending{f};
        if constexpr (requires { f.not_run(why); }) {
            static_assert(noexcept(f.not_run(why)), "not_run must be noexcept");
            f.not_run(why);
        }
    }

    template <class F>
    static void move_and_destroy(void* from, void* to) noexcept {
        F& f = *std::launder(static_cast<F*>(from));
        ::new (to) F(std::move(f));
        f.~F();
    }

    template <class F>
    static constexpr Operations operations_of{
        &run_and_destroy<F>,
        &skip_and_destroy<F>,
        std::is_trivially_copyable_v<F> ? nullptr : &move_and_destroy<F>};

    void take(Task& other) noexcept {
        copy(other);
        other.operations_ = nullptr;
    }

    void copy(Task& other) noexcept {
        operations_ = other.operations_;
        if (!operations_) return;
        if (operations_->relocate) {
            operations_->relocate(other.storage_, storage_);
        } else {
            std::memcpy(storage_, other.storage_, capacity);
        }
    }

    const Operations* operations_ = nullptr;
    alignas(void*) std::byte storage_[capacity];
};

/// A callable kept on the heap, for those that do not fit into a @ref Task.
template <class F>
class Boxed {
public:
    explicit Boxed(F f) : f_{std::make_unique<F>(std::move(f))} {}

    void operator()(const TaskContext& context) {
        if constexpr (std::invocable<F&, const TaskContext&>) {
            std::invoke(*f_, context);
        } else {
            std::invoke(*f_);
        }
    }

    void not_run([[maybe_unused]] Errc why) noexcept {
        if constexpr (requires { f_->not_run(why); }) f_->not_run(why);
    }

private:
    std::unique_ptr<F> f_;
};

/// Makes a small callable of a large one: allocates once, here.
template <class F>
requires TaskCallable<std::decay_t<F>>
[[nodiscard]] Boxed<std::decay_t<F>> boxed(F&& f) {
    return Boxed<std::decay_t<F>>{std::forward<F>(f)};
}

/// Two callables as one: `run` is called, or else `not_run(Errc)`.
template <class Run, class NotRun>
struct TaskPair {
    Run run;
    NotRun otherwise;

    void operator()(const TaskContext& context) {
        if constexpr (std::invocable<Run&, const TaskContext&>) {
            std::invoke(run, context);
        } else {
            std::invoke(run);
        }
    }
    void not_run(Errc why) noexcept { std::invoke(otherwise, why); }
};

/// Makes a callable that calls `run`, or else `not_run` with the reason. The latter must
/// not throw.
template <class Run, class NotRun>
requires TaskCallable<std::decay_t<Run>> && std::invocable < std::decay_t<NotRun>
&, Errc > [[nodiscard]] TaskPair<std::decay_t<Run>, std::decay_t<NotRun>> run_or(
              Run&& run, NotRun&& not_run
          ) {
    return {std::forward<Run>(run), std::forward<NotRun>(not_run)};
}

/// What a @ref WorkerPool takes: a callable or a @ref Task.
template <class F>
concept Submittable =
    TaskCallable<std::decay_t<F>> || std::same_as<std::remove_cvref_t<F>, Task>;

/// What comes with a task; see @ref WorkerPool::try_submit.
struct TaskOptions {
    /// One of the enumerators; default normal.
    Priority priority = Priority::normal;

    /// When the task is of no more use: it is not started at this instant or later, and
    /// ends as `timed_out`. Default: it always is.
    TimePoint deadline = TimePoint::max();

    /// Names the work of which the task is a part; the first 56 characters are kept.
    /// Default empty.
    std::string_view correlation_id{};
};

namespace detail {

/// Returns `options`, or throws `std::invalid_argument` naming the field out of range.
inline const TaskOptions& checked(const TaskOptions& options) {
    if (options.priority > Priority::low) {
        throw std::invalid_argument{"TaskOptions::priority must be an enumerator"};
    }
    return options;
}

}  // namespace detail

/// A @ref Task with what came with it.
class alignas(64) QueuedTask {
public:
    /// Most characters of a correlation id.
    static constexpr std::size_t id_capacity = 56;

    QueuedTask() noexcept = default;

    /// Keeps `what`, a callable or a task, made in place.
    template <class F>
    QueuedTask(F&& what, const TaskOptions& options) noexcept
        : task{std::forward<F>(what)}, priority_{options.priority} {
        set_rest(options.deadline, options.correlation_id);
    }

    QueuedTask(detail::Relocation relocation, QueuedTask& other) noexcept
        : task{relocation, other.task}, priority_{other.priority_} {
        copy_rest(other);
    }

    /// Becomes `other` as that constructor does.
    void take_over(QueuedTask& other) noexcept {
        std::destroy_at(this);
        std::construct_at(this, detail::Relocation{}, other);
    }

    QueuedTask(QueuedTask&& other) noexcept
        : task{std::move(other.task)}, priority_{other.priority_} {
        copy_rest(other);
    }

    QueuedTask& operator=(QueuedTask&& other) noexcept {
        task = std::move(other.task);
        priority_ = other.priority_;
        copy_rest(other);
        return *this;
    }

    Task task;

    Priority priority() const noexcept { return priority_; }

    bool has_deadline() const noexcept { return has_deadline_; }

    TimePoint deadline() const noexcept {
        return has_deadline_ ? deadline_ : TimePoint::max();
    }

    std::string_view correlation_id() const noexcept { return {id_.data(), id_size_}; }

    /// Whether the task is of no more use.
    bool expired(TimePoint now) const noexcept {
        return has_deadline_ && now >= deadline_;
    }

    /// As the task was submitted. Valid as long as this object.
    TaskOptions options() const noexcept {
        return {priority_, deadline(), correlation_id()};
    }

private:
    void set_rest(TimePoint deadline, std::string_view id) noexcept {
        has_deadline_ = deadline != TimePoint::max();
        if (has_deadline_) deadline_ = deadline;
        id_size_ = static_cast<std::uint8_t>(std::min(id.size(), id_capacity));
        if (id_size_ > 0) std::memcpy(id_.data(), id.data(), id_size_);
    }

    void copy_rest(const QueuedTask& other) noexcept {
        set_rest(other.deadline(), other.correlation_id());
    }

    Priority priority_ = Priority::normal;
    bool has_deadline_ = false;
    std::uint8_t id_size_ = 0;

    // On a cache line of its own, not touched by a task that has neither.
    alignas(64) TimePoint deadline_;
    std::array<char, id_capacity> id_;
};

static_assert(sizeof(QueuedTask) == 128);

}  // namespace resilience

#endif
