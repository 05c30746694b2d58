// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_KAFKA_LANE_WORLD_HPP
#define RESILIENCE_TESTS_INTEGRATION_KAFKA_LANE_WORLD_HPP

#include "integration/kafka/cluster.hpp"

#include <resilience/kafka/lane_producer.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::test {

/// An outbox of a test's own on a cluster, and what its lanes are asked.
class LaneWorld {
    Cluster cluster_;

public:
    explicit LaneWorld(Cluster cluster = Cluster::of_environment())
        : cluster_(std::move(cluster)), options_{.outbox = unique_name("outbox")} {}

    const Cluster& cluster() const { return cluster_; }
    kafka::LaneProducerOptions& options() { return options_; }
    std::string position_topic() const {
        return options_.position_topic.empty()
                   ? "resilience." + options_.outbox + ".position"
                   : options_.position_topic;
    }

    /// One more owner of a lane.
    std::unique_ptr<kafka::LaneProducer> owner(int lane = 0) {
        auto options = options_;
        options.lane = lane;
        return std::make_unique<kafka::LaneProducer>(
            io_.get_executor(), producer, options
        );
    }

    Result<std::optional<LanePosition>> take_over(LaneSink& sink) {
        return run(io_, sink.take_over());
    }

    Result<void> commit(
        LaneSink& sink, const std::vector<WindowEvent>& events, const LanePosition& next
    ) {
        return run(io_, sink.commit(events, next));
    }

    net::io_context& io() { return io_; }

    /// What every owner connects with.
    kafka::ProducerOptions producer = cluster_.options();

private:
    kafka::LaneProducerOptions options_;
    net::io_context io_;
};

inline WindowEvent row_of(
    const std::string& topic, std::string data, std::string key = "k"
) {
    WindowEvent row;
    row.event.id = unique_name("id");
    row.event.aggregate_type = "user";
    row.event.aggregate_id = "7";
    row.event.event_type = "user.created";
    row.event.event_data = std::move(data);
    row.event.topic = topic;
    row.event.partition_key = std::move(key);
    return row;
}

/// The position after `events` more events.
inline LanePosition position_after(const LanePosition& last, std::size_t events) {
    auto next = last;
    next.source = {.system_id = 7, .timeline = 1, .database = 5, .table = 16384};
    next.seen = "100:100:";
    next.window = "100:120:103,105";
    next.last_seq = last.last_seq + static_cast<std::int64_t>(events);
    next.batch_seq = last.batch_seq + 1;
    next.lane_seq = last.lane_seq + events;
    return next;
}

inline std::vector<std::string> values_in(const std::vector<Consumed>& consumed) {
    std::vector<std::string> values;
    for (const auto& one : consumed) values.push_back(one.value);
    return values;
}

}  // namespace resilience::test

#endif
