// SPDX-License-Identifier: MIT
#include "bench/relay/event_writers.hpp"

#include <resilience/outbox.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience::bench {

EventWriters::EventWriters(
    const RelayBench& bench, WriterOptions options, Committed committed
)
    : bench_(bench),
      options_(options),
      told_(std::move(committed)),
      thread_([this] { work(); }) {}

EventWriters::~EventWriters() {
    stop();
    if (thread_.joinable()) thread_.join();
}

void EventWriters::join() {
    thread_.join();
    if (failed_) std::rethrow_exception(failed_);
}

void EventWriters::work() {
    net::io_context io{1};
    auto settings = bench_.database();
    settings.pool_size = options_.writers;
    modules::backing::Database database{io.get_executor(), settings};
    began_ = Clock::now();
    int writing = options_.writers;
    for (int i = 0; i < options_.writers; ++i) {
        net::co_spawn(
            io,
            write(*database.postgres(), static_cast<std::size_t>(i)),
            [this, &io, &writing](std::exception_ptr error) {
                if (error) {
                    failed_ = error;
                    stop();
                }
                // Idle connections are watched and would keep the loop.
                if (--writing == 0) io.stop();
            }
        );
    }
    io.run();
}

net::awaitable<void> EventWriters::write(postgres::Pool& pool, std::size_t first) {
    const Outbox outbox{{.lanes = options_.lanes}};
    net::steady_timer timer{co_await net::this_coro::executor};
    const auto step = static_cast<std::size_t>(options_.writers);
    for (std::size_t number = first; number < options_.most && !stopping_;
         number += step) {
        if (options_.rate > 0) {
            const std::chrono::duration<double> due{
                static_cast<double>(number) / options_.rate};
            timer.expires_at(began_ + std::chrono::duration_cast<Clock::duration>(due));
            co_await timer.async_wait(net::use_awaitable);
        }
        auto done = co_await postgres::with_transaction(
            pool,
            [&](postgres::Transaction& transaction) -> net::awaitable<Result<void>> {
                auto event = numbered_event(bench_.topic(), number);
                auto written = co_await outbox.append(transaction, std::move(event));
                if (!written) co_return written.error();
                co_return Result<void>{};
            }
        );
        value_of(std::move(done));
        told_(number, Clock::now());
        ++committed_;
    }
}

}  // namespace resilience::bench
