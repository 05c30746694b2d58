// SPDX-License-Identifier: MIT
// expect: the operation of async_with_timeout must take a completion token and return
#include <resilience/asio/timeout.hpp>

using namespace resilience;

int main() {
    net::io_context context;
    Timer timer{context.get_executor()};
    Timeout timeout;
    const auto wait = [&](auto token) {
#ifdef CORRECT
        return timer.async_wait_until(TimePoint{}, std::move(token));
#else
        timer.async_wait_until(TimePoint{}, std::move(token));
#endif
    };
    async_with_timeout(context.get_executor(), timeout, wait, [](Result<void>) {});
}
