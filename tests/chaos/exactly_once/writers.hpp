// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_WRITERS_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_WRITERS_HPP

#include <chaos/exactly_once/session.hpp>

#include <resilience/outbox.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace resilience::e2e {

struct WritersOptions {
    int writers = 12;
    int keys = 48;
    int lanes = 4;
    std::string topic;
    bool synchronous_commit = true;
    /// To prepare a transaction makes all before it durable.
    bool two_phase = true;
    /// Mean pause of a writer between two transactions.
    std::chrono::milliseconds pause{10};
    unsigned seed = 1;
    /// Changes some events; called by all writers at once.
    std::function<void(Event&, std::mt19937&)> shape;
};

/** Programs that use the outbox in every way that a database allows, until stopped.

    Each event of a key carries the next number of the key's counter as its type; the
    counter's row is locked by whoever counts, so that the order of a key's events is
    decided. Some transactions write elsewhere first and to the outbox late, some are
    long, some are rolled back in part or whole, some are prepared and decided later.

    A writer whose connection breaks connects again; what it had not been told is
    committed or not.
*/
class Writers {
public:
    /// Makes the tables of the counters and starts to write.
    Writers(std::string conninfo, WritersOptions options);
    ~Writers();
    Writers(const Writers&) = delete;
    Writers& operator=(const Writers&) = delete;

    /// Ends the writers and decides what is still prepared; further calls do nothing.
    void stop();

    /// Events of transactions whose commit was answered.
    std::size_t acknowledged() const { return acknowledged_; }

private:
    struct Writer;

    void work(int number);
    void decide_prepared();

    std::string conninfo_;
    WritersOptions options_;
    Outbox outbox_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> acknowledged_{0};
    std::vector<std::thread> threads_;
};

}  // namespace resilience::e2e

#endif
