// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_CONSUMER_OPTIONS_HPP
#define RESILIENCE_KAFKA_CONSUMER_OPTIONS_HPP

#include <resilience/kafka/producer_options.hpp>
#include <resilience/kafka/record.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace resilience::kafka {

/// Where a partition is read from when its group has committed nothing there, or when the
/// records behind what was committed are gone.
enum class OffsetReset : std::uint8_t {
    /// At the first record that is kept.
    earliest,
    /// At the end: what is there already is never seen.
    latest,
    /// Nowhere: @ref Consumer::poll fails with Errc::history_changed.
    fail
};

/// What became of partitions of a @ref Consumer.
enum class Rebalance : std::uint8_t {
    /// They are its own from now on.
    assigned,
    /// They go to another member of the group, in order.
    revoked,
    /// They were taken away; another member may have them for some time already.
    lost
};

/** Takes the partitions that came or went.

    Called on the consumer's thread, inside of a @ref Consumer::poll or
    @ref Consumer::close, and not after the consumer was destroyed: it must be quick, and
    must neither call nor destroy the consumer. What it throws is dropped.
*/
using RebalanceHook =
    std::function<void(Rebalance kind, const std::vector<TopicPartition>& partitions)>;

/// Settings of a @ref Consumer.
struct ConsumerOptions {
    /// `host:port`, several separated by commas. Required.
    std::string brokers;

    /// Name of the group whose members share the partitions, and whose offsets are
    /// committed. Required.
    std::string group;

    /// What is read. 1 to 1,000 names, each once; see @ref is_topic_name.
    std::vector<std::string> topics;

    /// Name in the broker's logs and quotas. Not empty; default `resilience`.
    std::string client_id = "resilience";

    /// Default earliest, so that no event is left out.
    OffsetReset reset = OffsetReset::earliest;

    /// A batch ends with the record that brings its keys, values and headers to this
    /// number of bytes. 1 to 1 GiB; default 16 MiB.
    std::size_t batch_bytes = std::size_t{16} * 1024 * 1024;

    /// Records that are fetched in advance for each partition. 1 to 10,000,000; default
    /// 10,000.
    std::size_t prefetch_messages = 10'000;

    /// Bytes that are fetched in advance, all partitions together; the last fetch of each
    /// broker may go beyond. 1 MiB to 1 GiB; default 16 MiB.
    std::size_t prefetch_bytes = std::size_t{16} * 1024 * 1024;

    /// The group gives the partitions of a member to others when it has heard nothing of
    /// it for so long, as after a crash. 6 s to 30 min, which is what a broker allows
    /// whose settings were not changed; default 45 s.
    std::chrono::milliseconds session_timeout{45'000};

    /// The group does the same when the member has not polled for so long: the most that
    /// the records of a batch may take. At least @ref session_timeout, at most 24 h;
    /// default 5 min.
    std::chrono::milliseconds max_poll_interval{300'000};

    /// Longest time of a commit, retries included. 100 ms to @ref max_poll_interval;
    /// default 10 s.
    std::chrono::milliseconds commit_timeout{10'000};

    /// Longest wait for the group when the consumer leaves it. 1 ms to 5 min; default
    /// 5 s. Destroying the execution context may have to wait as long.
    std::chrono::milliseconds close_timeout{5000};

    /// Longest wait for a broker's answer before the connection counts as broken. 10 ms
    /// to 300 s; default 15 s.
    std::chrono::milliseconds socket_timeout{15'000};

    SecurityOptions security;

    /// Further settings of librdkafka by their names, such as `group.instance.id` or
    /// `partition.assignment.strategy`. Those that this library sets itself are refused.
    std::map<std::string, std::string> settings;

    /// Default none: silent.
    LogHook log;

    /// Default none.
    RebalanceHook on_rebalance;
};

}  // namespace resilience::kafka

#endif
