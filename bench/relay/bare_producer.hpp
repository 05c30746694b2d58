// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_RELAY_BARE_PRODUCER_HPP
#define RESILIENCE_BENCH_RELAY_BARE_PRODUCER_HPP

#include <resilience/event.hpp>

#include <cstddef>
#include <string>
#include <vector>

struct rd_kafka_s;
struct rd_kafka_topic_s;

namespace resilience::bench {

/** The peer of a lane: librdkafka with its settings, which does nothing but begin,
    produce and commit.

    A callback for delivery reports is set, without which a commit waits in steps of
    10 ms, and the topic's metadata is fetched before the first transaction.
*/
class BareProducer {
public:
    /// @param headers Sent with each message.
    /// @throws std::runtime_error The cluster does not answer.
    BareProducer(
        const std::string& brokers,
        const std::string& topic,
        std::vector<Header> headers = {}
    );
    ~BareProducer();
    BareProducer(const BareProducer&) = delete;
    BareProducer& operator=(const BareProducer&) = delete;

    /// Commits one transaction of `count` messages with 1,000 keys and the given contents
    /// in turn.
    /// @throws std::runtime_error It failed.
    void commit(std::size_t count, const std::vector<std::string>& contents);

private:
    rd_kafka_s* client_ = nullptr;
    rd_kafka_topic_s* topic_ = nullptr;
    std::vector<Header> headers_;
};

}  // namespace resilience::bench

#endif
