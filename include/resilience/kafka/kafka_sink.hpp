// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_KAFKA_SINK_HPP
#define RESILIENCE_KAFKA_KAFKA_SINK_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/kafka/partitioner.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/relay.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace resilience::kafka {

/// Settings of a @ref KafkaSink.
struct KafkaSinkOptions {
    /// The `ce_source` of each message, a URI reference. Not empty.
    std::string source{default_cloud_event_source};

    /// Chooses partitions. Default empty: the hash of the key, computed by the producer.
    PartitionStrategy partitioner;

    /// Waits before a broken producer is replaced once more without success in between.
    /// `attempts` is not used. Default 100 ms doubling to 5 s.
    RetryOptions recreate{
        .base = std::chrono::milliseconds{100}, .cap = std::chrono::seconds{5}};

    /// Seed of the random part of those waits. Default 0: drawn from the system.
    std::uint64_t seed = 0;
};

/** Delivers events to Kafka in the binary mode of CloudEvents 1.0.

    Key: the event's ordering key. Value: `event_data`. Headers: those of
    @ref cloud_event_headers. An event whose result is good is on all replicas in sync.

    A batch is sent as a whole. When the broker refuses some of it for what may be the
    fault of a single message, the events in doubt are sent one at a time, so the culprit
    fails and its neighbours are delivered. When Kafka is down, what was handed over is
    withdrawn before it is reported, and the producer is replaced: nothing is sent behind
    the relay's back, and an event that a broker took all the same is a duplicate, never
    an inversion: the first copies of a key's events lie in the topic in their order.
    Between topics, or partitions that a strategy chose, a key has no order.

    @par Errors
    Those of @ref Producer::async_produce. The retryable ones speak of the cluster.

    @par Cancellation
    None: a delivery takes at most about one and a half
    @ref ProducerOptions::delivery_timeout, which must be less than
    @ref RelayOptions::stale_after.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe; one delivery at a time.

    @par Object lifetimes
    Must not outlive the execution context, nor be destroyed during a delivery.
*/
class KafkaSink final : public EventSink {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    KafkaSink(
        net::any_io_executor executor,
        ProducerOptions producer,
        KafkaSinkOptions options = {}
    );
    ~KafkaSink() override;

    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
