// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_PARTITIONER_HPP
#define RESILIENCE_KAFKA_PARTITIONER_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/event.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::kafka {

/** Chooses the partition of an event (document O9).

    @param count Partitions of the topic; at least 1.
    @return From 0 to `count - 1`. None: the producer hashes the key.

    Order is kept within a partition alone: a strategy that spreads one key gives its
    order up.
*/
using PartitionStrategy =
    std::function<std::optional<std::int32_t>(const Event& event, std::int32_t count)>;

/// The 32-bit MurmurHash2 with the seed of Kafka's Java client. Pure.
constexpr std::uint32_t murmur2(std::string_view bytes) noexcept {
    constexpr std::uint32_t mix = 0x5bd1e995;
    constexpr std::uint32_t seed = 0x9747b28c;
    const auto byte = [bytes](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
    };
    std::uint32_t hash = seed ^ static_cast<std::uint32_t>(bytes.size());
    std::size_t at = 0;
    for (; at + 4 <= bytes.size(); at += 4) {
        std::uint32_t word =
            byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
        word *= mix;
        word ^= word >> 24;
        word *= mix;
        hash = hash * mix ^ word;
    }
    if (at < bytes.size()) {
        for (std::size_t i = bytes.size(); i-- > at;) hash ^= byte(i) << 8 * (i - at);
        hash *= mix;
    }
    hash ^= hash >> 13;
    hash *= mix;
    return hash ^ hash >> 15;
}

/// The partition that Kafka's Java client gives `key` by default. Pure.
constexpr std::int32_t hash_partition(std::string_view key, std::int32_t count) noexcept {
    return static_cast<std::int32_t>(murmur2(key) & 0x7fffffffU) % count;
}

/// Hashes the key that keeps the event in order. The default.
struct HashPartitioner {
    std::optional<std::int32_t> operator()(const Event& event, std::int32_t count) const {
        return hash_partition(ordering_key(event), count);
    }
};

/// Takes the partitions in turn, whatever the key. Keeps no order between events.
class RoundRobinPartitioner {
public:
    std::optional<std::int32_t> operator()(const Event&, std::int32_t count) {
        const auto partition = next_ % static_cast<std::uint32_t>(count);
        next_ = partition + 1;
        return static_cast<std::int32_t>(partition);
    }

private:
    std::uint32_t next_ = 0;
};

/** Asks another strategy for each type of event.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class CustomPartitioner {
public:
    /// @param otherwise For types without a strategy of their own.
    explicit CustomPartitioner(PartitionStrategy otherwise = HashPartitioner{})
        : otherwise_(checked(std::move(otherwise))) {}

    /// Replaces the strategy of the type if it has one.
    /// @throws std::invalid_argument `strategy` is empty.
    void set_strategy_for_event_type(std::string type, PartitionStrategy strategy) {
        strategies_.insert_or_assign(std::move(type), checked(std::move(strategy)));
    }

    std::optional<std::int32_t> operator()(const Event& event, std::int32_t count) {
        const auto found = strategies_.find(event.event_type);
        return (found == strategies_.end() ? otherwise_ : found->second)(event, count);
    }

private:
    static PartitionStrategy checked(PartitionStrategy strategy) {
        if (!strategy) throw std::invalid_argument("strategy: must not be empty");
        return strategy;
    }

    PartitionStrategy otherwise_;
    std::map<std::string, PartitionStrategy> strategies_;
};

}  // namespace resilience::kafka

#endif
