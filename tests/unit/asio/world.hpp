// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_ASIO_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_ASIO_WORLD_HPP

#include <resilience/asio/timer.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <utility>

namespace resilience {

/// A context in virtual time.
struct World {
    net::io_context context;
    testing::VirtualTime time{context};
    TimePoint start = time.now();

    /// Runs a coroutine to its end, and tells what it threw. Nothing may be left then.
    template <class Coroutine>
    std::exception_ptr run(Coroutine coroutine) {
        std::exception_ptr thrown;
        bool ended = false;
        net::co_spawn(context, coroutine(), [&](std::exception_ptr e) {
            thrown = e;
            ended = true;
        });
        CHECK(time.run());
        CHECK(ended);
        CHECK(time.waiting() == 0);
        return thrown;
    }

    Clock::duration elapsed() const { return time.now() - start; }
};

/// Waits until `end`, whatever its caller asks of it.
template <class Token>
auto async_wait_undeterred(Timer& timer, TimePoint end, Token&& token) {
    return net::async_initiate<Token, void(Result<void>)>(
        [&timer, end](auto handler) {
            timer.async_wait_until(
                end,
                [ended = std::move(handler)](Result<void> r) mutable {
                    std::move(ended)(r);
                }
            );
        },
        token
    );
}

}  // namespace resilience

#endif
