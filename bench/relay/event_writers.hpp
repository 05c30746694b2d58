// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_RELAY_EVENT_WRITERS_HPP
#define RESILIENCE_BENCH_RELAY_EVENT_WRITERS_HPP

#include "bench/relay/relay_bench.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>

namespace resilience::bench {

/// How @ref EventWriters write.
struct WriterOptions {
    /// Connections. 1 to 100.
    int writers = 8;
    /// Transactions a second, of all writers together; 0: as many as they can.
    double rate = 0;
    /// Transactions after which they end.
    std::size_t most = 0;
    /// Lanes of the outbox. 1 to 64.
    std::int16_t lanes = 4;
};

/** Writes transactions of one event each, numbered from 0, on a thread of its own.

    With a rate each transaction has its moment, whatever became of those before it.
*/
class EventWriters {
public:
    /// Is told which event was committed, on the writers' thread.
    using Committed = std::function<void(std::size_t number, TimePoint now)>;

    EventWriters(const RelayBench& bench, WriterOptions options, Committed committed);
    /// Ends after the transactions in hand.
    ~EventWriters();
    EventWriters(const EventWriters&) = delete;
    EventWriters& operator=(const EventWriters&) = delete;

    std::size_t committed() const { return committed_; }
    void stop() { stopping_ = true; }
    /// Waits for the end; @throws std::runtime_error A transaction failed.
    void join();

private:
    void work();
    net::awaitable<void> write(postgres::Pool& pool, std::size_t first);

    const RelayBench& bench_;
    WriterOptions options_;
    Committed told_;
    TimePoint began_{};
    std::atomic<std::size_t> committed_{0};
    std::atomic<bool> stopping_{false};
    std::exception_ptr failed_;
    std::thread thread_;
};

}  // namespace resilience::bench

#endif
