// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_RUN_ON_HPP
#define RESILIENCE_ASIO_DETAIL_RUN_ON_HPP

#include <resilience/asio/initiate.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace resilience::detail {

/// What became of a coroutine. Neither error nor value: it was cancelled before it began.
template <class T>
struct RemoteOutcome {
    std::exception_ptr error{};
    std::optional<T> value{};
};

/** The cancellation of a coroutine that runs on another executor than its caller's.

    Owned by the coroutine and by what is queued on its executor, never by the caller's
    slot, which may outlive them and their context. After it is made, only the executor
    touches it, but for `announce`.
*/
class RemoteCancellation {
public:
    explicit RemoteCancellation(net::any_io_executor executor)
        : executor_(std::move(executor)) {}

    const net::any_io_executor& executor() const noexcept { return executor_; }

    /// Where the coroutine listens.
    net::cancellation_slot slot() noexcept { return signal_.slot(); }

    /// Says that a cancellation is on its way: from any thread.
    void announce() noexcept { announced_.store(true, std::memory_order_release); }

    /// Whether the coroutine may begin: no cancellation has been announced. It hears of
    /// what comes afterwards: one that `co_spawn` has not begun would throw out of its
    /// context's `run`.
    bool begin() noexcept {
        begun_ = true;
        return !announced_.load(std::memory_order_acquire);
    }

    /// Cancels a coroutine that has begun; the others will not.
    void cancel(net::cancellation_type type) {
        if (begun_) signal_.emit(type);
    }

private:
    net::any_io_executor executor_;
    net::cancellation_signal signal_;
    std::atomic<bool> announced_ = false;
    bool begun_ = false;
};

/// Awaits `work`, unless it is cancelled before it begins.
template <class T>
net::awaitable<RemoteOutcome<T>> outcome_of(
    std::shared_ptr<RemoteCancellation> cancellation, net::awaitable<T> work
) {
    RemoteOutcome<T> outcome;
    if (cancellation->begin()) {
        try {
            auto value = co_await std::move(work);
            outcome.value.emplace(std::move(value));
        } catch (...) {
            outcome.error = std::current_exception();
        }
    }
    // `co_spawn` has one more suspension to make, whose exception nobody would catch.
    co_await net::this_coro::throw_if_cancelled(false);
    co_return outcome;
}

/** Runs a coroutine on `executor` and calls `finish` there with its outcome.

    @param executor Runs one handler at a time: a strand, or a context of one thread.
    @param slot Where the caller cancels, from any thread that may use the slot. The
        coroutine is cancelled on `executor`, and does not begin when its first step is
        yet to come; cancelling is harmless when the coroutine has ended, and when the
        context of `executor` is gone.
    @param finish Called as `void(RemoteOutcome<T>)`, unless the context ends before.
*/
template <class T, class Finish>
void run_on(
    const net::any_io_executor& executor,
    net::awaitable<T> work,
    net::cancellation_slot slot,
    Finish finish
) {
    const auto cancellation = std::make_shared<RemoteCancellation>(executor);
    if (slot.is_connected()) {
        // `co_spawn` itself would queue a pointer into the slot, which has been given to
        // another operation, or is gone, by the time it is used.
        slot.assign([weak = std::weak_ptr{cancellation}](net::cancellation_type type) {
            const auto target = weak.lock();
            if (!target || type == net::cancellation_type::none) return;
            // What is queued behind the first step would come too late to prevent it.
            target->announce();
            net::dispatch(target->executor(), [target, type] { target->cancel(type); });
        });
    }
    net::co_spawn(
        executor,
        outcome_of(cancellation, std::move(work)),
        net::bind_cancellation_slot(
            cancellation->slot(),
            // Asio looks into the slot until it calls this.
            [cancellation, finish = std::move(finish)](
                std::exception_ptr error, RemoteOutcome<T> outcome
            ) mutable {
                if (error) outcome.error = error;
                finish(std::move(outcome));
            }
        )
    );
}

/** Runs a coroutine on `executor` and completes `handler`, on its own executor, with what
    the coroutine returned: the work of an operation that has an executor of its own.

    An exception becomes @ref Errc::internal; who cancels before the coroutine has begun
    gets @ref Errc::cancelled.
*/
template <class T>
void run_on(
    const net::any_io_executor& executor,
    net::awaitable<Result<T>> work,
    Handler<T> handler
) {
    const auto slot = net::get_associated_cancellation_slot(handler);
    auto guard = net::make_work_guard(executor_of(handler, executor));
    run_on(
        executor,
        std::move(work),
        slot,
        [handler = std::move(handler),
         guard = std::move(guard),
         executor](RemoteOutcome<Result<T>> outcome) mutable {
            if (outcome.error) outcome.value.emplace(failure_of(outcome.error));
            if (!outcome.value) outcome.value.emplace(fail(Errc::cancelled));
            complete(executor, std::move(handler), std::move(*outcome.value));
        }
    );
}

}  // namespace resilience::detail

#endif
