// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_INITIATE_HPP
#define RESILIENCE_ASIO_INITIATE_HPP

#include <resilience/asio/result.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace resilience {

/// The one erased form that compiled operations complete; carries the cancellation slot,
/// allocator and executor of the caller's handler.
template <class T>
using Handler = net::any_completion_handler<void(Result<T>)>;

namespace detail {

/// The executor of `handler`, or else `otherwise`.
/// @throws std::bad_alloc The handler is an erased one, and a copy of its executor could
/// not be made: Asio yields an empty executor then, which nobody may use.
template <class H, class Executor = net::system_executor>
auto executor_of(const H& handler, const Executor& otherwise = {}) {
    auto executor = net::get_associated_executor(handler, otherwise);
    if constexpr (requires { static_cast<bool>(executor); }) {
        if (!executor) throw std::bad_alloc{};
    }
    return executor;
}

/// Calls `handler` on its own executor (`executor` when it has none), never inline.
template <class Value>
void complete(
    const net::any_io_executor& executor,
    net::any_completion_handler<void(Value)> handler,
    Value value
) {
    // An erased executor of a handler cannot promise not to run inline; `executor` can.
    auto target = executor_of(handler, executor);
    net::post(
        executor,
        net::bind_executor(
            target,
            [handler = std::move(handler), value = std::move(value)]() mutable {
                std::move(handler)(std::move(value));
            }
        )
    );
}

/// What an exception that left a coroutine says to the handler of its operation.
inline Failure failure_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        const bool cancelled = e.code() == net::error::operation_aborted;
        return fail(cancelled ? Errc::cancelled_in_doubt : Errc::internal, e.what());
    } catch (const std::exception& e) {
        return fail(Errc::internal, e.what());
    } catch (...) {
        return fail(Errc::internal);
    }
}

}  // namespace detail
}  // namespace resilience

#endif
