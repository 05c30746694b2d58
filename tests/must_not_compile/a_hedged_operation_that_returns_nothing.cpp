// SPDX-License-Identifier: MIT
// expect: the operation of async_with_hedge must take the attempt's number and a
#include <resilience/asio/hedge.hpp>

using namespace resilience;

int main() {
    net::io_context context;
    Timer timer{context.get_executor()};
    RetryBudget budget;
    Hedge hedge{{.idempotent = true}, budget};
    const auto wait = [&](std::uint32_t, auto token) {
#ifdef CORRECT
        return timer.async_wait_until(TimePoint{}, std::move(token));
#else
        timer.async_wait_until(TimePoint{}, std::move(token));
#endif
    };
    async_with_hedge(context.get_executor(), hedge, wait, [](Result<void>) {});
}
