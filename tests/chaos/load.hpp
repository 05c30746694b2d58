// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_LOAD_HPP
#define RESILIENCE_TESTS_CHAOS_LOAD_HPP

#include <e2e/harness/stack.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace resilience::e2e {

/** Clients that create users and change each of them a few times, until stopped.

    A client goes on when the server is gone: it notes what was answered and tries
   something else. What was not answered may have happened or not.
*/
class Load {
public:
    Load(const Stack& stack, int clients);
    ~Load();

    /// Ends the clients; further calls do nothing.
    void stop();

    /// Ids of users whose creation was answered with 201.
    std::vector<std::string> created() const;
    std::size_t answered() const { return answered_; }

private:
    void run(int client);

    int port_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> answered_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> created_;
    std::vector<std::thread> clients_;
};

/// What a reader of the destination found, held against the table.
struct Findings {
    std::size_t rows = 0;
    std::size_t lost = 0;
    std::size_t unknown = 0;
    std::size_t duplicates = 0;
    /// Keys whose events did not arrive (first arrivals counted) in the order of writing.
    std::size_t inversions = 0;
    std::size_t users_without_event = 0;
    std::size_t events_without_user = 0;
};

/// Reads table and destination; the relay must have nothing left to do.
Findings examine(const Stack& stack);

/// Waits until every row is SENT.
bool drained(
    const Stack& stack, std::chrono::milliseconds limit = std::chrono::seconds{90}
);

}  // namespace resilience::e2e

#endif
