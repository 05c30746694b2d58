// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_LATENCY_PROBE_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_LATENCY_PROBE_HPP

#include <chaos/exactly_once/session.hpp>
#include <chaos/exactly_once/topic_reader.hpp>
#include <chaos/exactly_once/world.hpp>

#include <resilience/outbox.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace resilience::e2e {

/** How long an event is on its way, from the COMMIT of its transaction to a consumer with
    `read_committed`.

    One event at a time, of a key of its own, to a topic of its own beside the world's.
*/
class LatencyProbe {
public:
    using Latency = std::chrono::microseconds;

    /// Makes the topic.
    explicit LatencyProbe(const World& world);

    /// Commits one event and waits until it comes.
    /// @return Whether it did, within a minute.
    bool send_one();

    std::size_t count() const { return latencies_.size(); }

    /// What half of those in the first, the last third of all took at most.
    Latency first_median() const;
    Latency last_median() const;

    TopicReader& reader() { return reader_; }

private:
    std::string topic_;
    Outbox outbox_;
    Session session_;
    TopicReader reader_;
    std::vector<Latency> latencies_;
};

}  // namespace resilience::e2e

#endif
