// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_KAFKA_PROXY_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_KAFKA_PROXY_HPP

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace resilience::e2e {

/// Requests by their numbers in Kafka's protocol.
enum class Api : std::int16_t {
    produce = 0,
    fetch = 1,
    list_offsets = 2,
    metadata = 3,
    find_coordinator = 10,
    init_producer_id = 22,
    add_partitions = 24,
    end_transaction = 26
};

/// What happens to a request.
enum class Fault {
    /// It does not reach the broker, and its connection ends.
    cut_before,
    /// It reaches the broker; its connection ends instead of the answer.
    cut_after,
    /// It and all behind it come late.
    delay,
    /// It reaches nobody, and nothing more is said on its connection, which stays.
    half_open
};

/** Stands between clients and one broker, knows the requests, and breaks what it is told
    to.

    Runs on a thread of its own; every function may be called from any thread.
*/
class KafkaProxy {
public:
    KafkaProxy();
    ~KafkaProxy();
    KafkaProxy(const KafkaProxy&) = delete;
    KafkaProxy& operator=(const KafkaProxy&) = delete;

    /// Where clients connect, on 127.0.0.1.
    int port() const;
    /// Where the broker is, on 127.0.0.1. Before, connections end at once.
    void forward_to(int port);

    /// Does this to the next request of the kind, once.
    void arm(Api api, Fault fault, std::chrono::milliseconds delay = {});
    /// Whether what was armed last has happened.
    bool fired() const;

    /** Lets the next EndTxn come so late that it meets a later transaction: its
        connection ends before it reaches the broker, so that the client sends it again;
        it arrives when the next transaction's events are written and its position is not.
    */
    void arm_late_end();
    /// The broker's error code for the late EndTxn, once there is one; 0 is success.
    std::optional<int> late_end_answer() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::e2e

#endif
