// SPDX-License-Identifier: MIT
#include <resilience/kafka/partitioner.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace resilience;
using namespace resilience::kafka;

Event event_of(std::string type, std::string key) {
    return {
        .aggregate_type = "user",
        .aggregate_id = "7",
        .event_type = std::move(type),
        .partition_key = std::move(key)};
}

}  // namespace

TEST_CASE("O9: murmur2 is that of Kafka's Java client") {
    // Values of org.apache.kafka.common.utils.Utils.murmur2, Kafka 4.1.0.
    const std::pair<std::string, std::int32_t> vectors[] = {
        {"", 275646681},
        {"1", -1993445489},
        {"21", -973932308},
        {"abc", 479470107},
        {"1234", -1614185708},
        {"user-1", 1404122828},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"J\xc3\xbcrgen", -258540921},
        {"018f0000-0000-7000-8000-000000000001", 919505016}};
    for (const auto& vector : vectors) {
        CAPTURE(vector.first);
        CHECK(static_cast<std::int32_t>(murmur2(vector.first)) == vector.second);
    }
}

TEST_CASE("O9: a key's partition is the one that Kafka's Java client takes") {
    CHECK(hash_partition("", 12) == 9);
    CHECK(hash_partition("1", 12) == 3);
    CHECK(hash_partition("user-1", 12) == 8);
    CHECK(hash_partition("foobar", 12) == 6);
    CHECK(hash_partition("J\xc3\xbcrgen", 12) == 11);
    CHECK(hash_partition("anything", 1) == 0);
}

TEST_CASE("O9: the hash takes the partition key, or else the aggregate's id") {
    auto event = event_of("user.created", "foobar");
    CHECK(HashPartitioner{}(event, 12) == hash_partition("foobar", 12));
    event.partition_key.reset();
    CHECK(HashPartitioner{}(event, 12) == hash_partition("7", 12));
}

TEST_CASE("O9: round robin takes the partitions in turn, also when their number changes"
) {
    RoundRobinPartitioner next;
    const auto event = event_of("user.created", "k");
    CHECK(next(event, 3) == 0);
    CHECK(next(event, 3) == 1);
    CHECK(next(event, 3) == 2);
    CHECK(next(event, 3) == 0);
    CHECK(next(event, 2) == 1);
    CHECK(next(event, 1) == 0);
    CHECK(next(event, 2) == 1);
}

TEST_CASE("O9: a custom strategy serves its type of event, another one the rest") {
    CustomPartitioner custom;
    custom.set_strategy_for_event_type("user.created", [](const Event&, std::int32_t n) {
        return n - 1;
    });
    CHECK(custom(event_of("user.created", "foobar"), 12) == 11);
    CHECK(custom(event_of("user.updated", "foobar"), 12) == 6);

    custom.set_strategy_for_event_type("user.created", [](const Event&, std::int32_t) {
        return std::nullopt;
    });
    CHECK(custom(event_of("user.created", "foobar"), 12) == std::nullopt);

    const PartitionStrategy as_strategy = custom;
    CHECK(as_strategy(event_of("user.updated", "foobar"), 12) == 6);
}

TEST_CASE("O9: an empty strategy is refused") {
    CHECK_THROWS_WITH_AS(
        CustomPartitioner{PartitionStrategy{}},
        "strategy: must not be empty",
        std::invalid_argument
    );
    CustomPartitioner custom;
    CHECK_THROWS_AS(
        custom.set_strategy_for_event_type("user.created", {}), std::invalid_argument
    );
}
