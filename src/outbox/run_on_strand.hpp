// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_RUN_ON_STRAND_HPP
#define RESILIENCE_SRC_OUTBOX_RUN_ON_STRAND_HPP

#include <resilience/asio/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace resilience::detail {

/// The cancellation of a coroutine, which is emitted where the coroutine runs.
struct StrandCancellation {
    explicit StrandCancellation(net::strand<net::any_io_executor> where)
        : strand(std::move(where)) {}

    net::strand<net::any_io_executor> strand;
    net::cancellation_signal signal{};
};

/** Runs a coroutine on a strand and completes on the executor of the one that awaits it.

    Cancellation reaches it on the strand, and is harmless when it comes too late: what
    `co_spawn` does for another executor holds a pointer into a slot that may have been
    left by then.
*/
template <class T>
net::awaitable<T> run_on_strand(
    net::strand<net::any_io_executor> strand, net::awaitable<T> work
) {
    auto initiate = [strand](auto handler, net::awaitable<T> coroutine) {
        // Owned by the completion handler alone: a slot may outlive the context, and then
        // must not hold a strand of it.
        const auto cancel = std::make_shared<StrandCancellation>(strand);
        auto slot = net::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr{cancel}](net::cancellation_type type) {
                const auto target = weak.lock();
                if (!target) return;
                net::dispatch(target->strand, [target, type] {
                    target->signal.emit(type);
                });
            });
        }
        const auto executor = net::get_associated_executor(handler, strand);
        auto finish = [cancel,
                       executor,
                       handler = std::move(handler),
                       guard = net::make_work_guard(executor
                       )](std::exception_ptr error, T value) mutable {
            cancel->signal.slot().clear();
            net::post(
                executor,
                [handler = std::move(handler), error, value = std::move(value)](
                ) mutable { std::move(handler)(error, std::move(value)); }
            );
        };
        net::co_spawn(
            strand,
            std::move(coroutine),
            net::bind_cancellation_slot(cancel->signal.slot(), std::move(finish))
        );
    };
    auto result = co_await net::
        async_initiate<const net::use_awaitable_t<>&, void(std::exception_ptr, T)>(
            std::move(initiate), net::use_awaitable, std::move(work)
        );
    co_return result;
}

}  // namespace resilience::detail

#endif
