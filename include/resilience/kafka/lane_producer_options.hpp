// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_LANE_PRODUCER_OPTIONS_HPP
#define RESILIENCE_KAFKA_LANE_PRODUCER_OPTIONS_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/kafka/partitioner.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace resilience::kafka {

/** When a producer is replaced although its transaction was committed (I8).

    A request that was sent and not answered may reach the broker late and then decide a
    later transaction of the same producer (KAFKA-17754). A new producer makes it void.
*/
enum class EpochGuard : std::uint8_t {
    /// When a Produce, AddPartitionsToTxn or EndTxn request was not answered, or EndTxn
    /// was sent more than once.
    on_suspicion,
    /// After every transaction. Some 20 ms each.
    every_transaction,
    /// Never. For tests, and for clusters and clients that bump the epoch themselves.
    off
};

/// Settings of a @ref LaneProducer.
struct LaneProducerOptions {
    /// Name of the outbox, the same for all of its lanes and instances, and no other
    /// outbox's in the cluster. Required: 1 to 180 of `A-Z a-z 0-9 . _ -`.
    std::string outbox;

    /// Which lane. 0 to @ref lanes - 1; default 0.
    int lane = 0;

    /// How many lanes the outbox has. 1 to 64; default 4.
    int lanes = 4;

    /// The compacted topic of the positions: one partition for each lane, shared with no
    /// other outbox. Default empty: `resilience.<outbox>.position`.
    std::string position_topic;

    /// Whether a missing position topic is created. Default true.
    bool create_position_topic = true;

    /// Replicas of a position topic that is created. -1 to 100, not 0; default -1: as
    /// many as the cluster is set to give.
    int replication_factor = -1;

    /// The `ce_source` of each message, a URI reference. Not empty.
    std::string source{default_cloud_event_source};

    /// Chooses partitions. Default empty: the hash of the key, computed by the producer.
    /// One that keeps its choice for each event, whenever it is asked, keeps the order of
    /// keys.
    PartitionStrategy partitioner;

    /// After this time the cluster aborts a transaction that was not ended. Longer than
    /// @ref ProducerOptions::socket_timeout, at most 15 min, which is what a cluster
    /// allows whose settings were not changed; default 20 s. A message waits no longer
    /// for its acknowledgement than nine tenths of it, whatever
    /// @ref ProducerOptions::delivery_timeout.
    std::chrono::milliseconds transaction_timeout{20000};

    /// Longest time of a take-over. 100 ms to 50 s; default 30 s.
    std::chrono::milliseconds take_over_timeout{30000};

    /// Longest wait for the abort of a transaction before its producer is destroyed all
    /// the same. 1 ms to @ref transaction_timeout; default 2 s.
    std::chrono::milliseconds abort_timeout{2000};

    /// Longest rest that @ref LaneProducer::ready_at asks for after a commit. 0 to 20 ms,
    /// what a transaction that begins too early is put off for; default 5 ms. 0: none.
    std::chrono::milliseconds longest_rest{5};

    /// Default on_suspicion.
    EpochGuard epoch_guard = EpochGuard::on_suspicion;
};

}  // namespace resilience::kafka

#endif
