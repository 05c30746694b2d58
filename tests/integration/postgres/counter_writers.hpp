// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_COUNTER_WRITERS_HPP
#define RESILIENCE_TESTS_POSTGRES_COUNTER_WRITERS_HPP

#include "counter_world.hpp"

#include <unistd.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace postgres_tests {

inline net::awaitable<void> run_all(pg::Connection& connection, std::string sql) {
    const auto done = co_await connection.async_run_script(std::move(sql));
    if (!done) FAIL(done.error().message());
}

/// Writers of all kinds into a @ref CounterWorld, until told to stop.
struct Writers {
    const CounterWorld& world;
    std::string topic = "t";
    bool stop = false;
    int open = 0;
    int prepared = 0;

    // Words and waits of one transaction, run by the server without a pause.
    std::vector<pg::Statement> transaction(std::mt19937& random) const {
        const auto one_in = [&](unsigned n) { return random() % n == 0; };
        const auto wait = [&](unsigned most_ms) {
            const auto seconds = static_cast<double>(random() % (most_ms * 10)) / 10000;
            return pg::Statement{
                "SELECT pg_sleep($1::float8)", pg::parameters(std::to_string(seconds))};
        };
        std::vector<pg::Statement> work;
        work.push_back({"BEGIN", {}});
        if (one_in(3)) work.push_back({"SELECT pg_current_xact_id()", {}});
        if (one_in(2)) work.push_back(wait(4));
        if (one_in(40)) work.push_back(wait(150));
        // Keys are locked in one order, so that no writers wait for each other for ever.
        for (int key = static_cast<int>(random() % 6); key < CounterWorld::keys;
             key += 1 + static_cast<int>(random() % 12)) {
            const bool saved = one_in(4);
            if (saved) work.push_back({"SAVEPOINT s", {}});
            work.push_back(CounterWorld::event(key, topic));
            if (saved && one_in(2)) {
                work.push_back({"ROLLBACK TO SAVEPOINT s", {}});
            } else if (saved) {
                work.push_back({"RELEASE SAVEPOINT s", {}});
            }
            if (one_in(3)) work.push_back(wait(3));
        }
        return work;
    }

    net::awaitable<void> write(unsigned seed) {
        std::mt19937 random{seed};
        auto connection = co_await connected(world.options());
        ++open;
        while (!stop) {
            auto work = transaction(random);
            const auto end = random() % 10;
            std::string name;
            if (end == 0) {
                work.push_back({"ROLLBACK", {}});
            } else if (end <= 2) {
                name = "'window_" + std::to_string(::getpid()) + "_" +
                       std::to_string(++prepared) + "'";
                work.push_back({"PREPARE TRANSACTION " + name, {}, false});
            } else {
                work.push_back({"COMMIT", {}});
            }
            const auto done = co_await connection.async_pipeline(std::move(work));
            if (!done) FAIL(done.error().message());
            if (!name.empty()) {
                co_await run_all(connection, "SELECT pg_sleep(0.002)");
                const bool keep = random() % 3 != 0;
                co_await run_all(
                    connection, (keep ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + name
                );
            }
        }
        --open;
    }
};

}  // namespace postgres_tests

#endif
