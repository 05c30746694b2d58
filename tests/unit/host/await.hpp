// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_HOST_AWAIT_HPP
#define RESILIENCE_TESTS_UNIT_HOST_AWAIT_HPP

#include <resilience/asio/result.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace resilience::host {

/// Runs a coroutine to its end and returns what it returned.
template <class T>
T await(net::awaitable<T> work) {
    net::io_context io;
    std::optional<T> result;
    net::co_spawn(
        io,
        [](net::awaitable<T> inner, std::optional<T>& out) -> net::awaitable<void> {
            out.emplace(co_await std::move(inner));
        }(std::move(work), result),
        [](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
        }
    );
    io.run();
    return std::move(*result);
}

}  // namespace resilience::host

#endif
