// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_RUN_ON_STRAND_HPP
#define RESILIENCE_SRC_OUTBOX_RUN_ON_STRAND_HPP

#include <resilience/asio/detail/run_on.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace resilience::detail {

/** Runs a coroutine on a strand and completes on the executor of the one that awaits it.

    Cancellation reaches it on the strand, and is harmless when it comes too late. What is
    cancelled before it begins throws `operation_aborted`.
*/
template <class T>
net::awaitable<T> run_on_strand(
    net::strand<net::any_io_executor> strand, net::awaitable<T> work
) {
    auto initiate = [strand](auto handler, net::awaitable<T> coroutine) {
        const auto slot = net::get_associated_cancellation_slot(handler);
        const auto executor = net::get_associated_executor(handler, strand);
        auto finish = [executor,
                       handler = std::move(handler),
                       guard = net::make_work_guard(executor)](RemoteOutcome<T> outcome
                      ) mutable {
            net::post(
                executor,
                [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
                    std::move(handler)(std::move(outcome));
                }
            );
        };
        run_on(strand, std::move(coroutine), slot, std::move(finish));
    };
    auto outcome = co_await net::
        async_initiate<const net::use_awaitable_t<>&, void(RemoteOutcome<T>)>(
            std::move(initiate), net::use_awaitable, std::move(work)
        );
    if (outcome.error) std::rethrow_exception(outcome.error);
    if (!outcome.value) throw boost::system::system_error(net::error::operation_aborted);
    co_return std::move(*outcome.value);
}

inline net::awaitable<void> run_on_strand(
    net::strand<net::any_io_executor> strand, net::awaitable<void> work
) {
    auto done = [](net::awaitable<void> inner) -> net::awaitable<bool> {
        co_await std::move(inner);
        co_return true;
    };
    (void)co_await run_on_strand(std::move(strand), done(std::move(work)));
}

}  // namespace resilience::detail

#endif
