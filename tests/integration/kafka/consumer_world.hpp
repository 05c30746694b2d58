// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_KAFKA_CONSUMER_WORLD_HPP
#define RESILIENCE_TESTS_INTEGRATION_KAFKA_CONSUMER_WORLD_HPP

#include "integration/kafka/cluster.hpp"

#include <resilience/kafka/consumer.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience::test {

using Texts = std::vector<std::string>;

inline Texts values(const std::vector<kafka::Record>& records) {
    Texts made;
    for (const auto& one : records) made.push_back(one.value.value_or("none"));
    return made;
}

/// A topic and a group of a test's own, and its members.
class ConsumerWorld {
public:
    explicit ConsumerWorld(int partitions = 1, Cluster at = Cluster::of_environment())
        : cluster(std::move(at)),
          topic(cluster.make_topic("consume", partitions)),
          options{
              .brokers = cluster.brokers(),
              .group = unique_name("group"),
              .topics = {topic},
              .session_timeout = 6s} {}

    std::unique_ptr<kafka::Consumer> member() {
        return std::make_unique<kafka::Consumer>(io.get_executor(), options);
    }

    void write(const std::string& value, int partition = 0) const {
        cluster.write(topic, partition, "k", value);
    }

    Result<std::vector<kafka::Record>> poll(
        kafka::Consumer& from, std::size_t max = 100, std::chrono::milliseconds wait = 10s
    ) {
        return run(io, from.poll(max, wait));
    }

    /// A poll that is cancelled as soon as it has begun.
    Result<std::vector<kafka::Record>> cancelled_poll(kafka::Consumer& from) {
        net::cancellation_signal signal;
        std::optional<Result<std::vector<kafka::Record>>> result;
        net::co_spawn(
            io,
            from.poll(100, 1h),
            net::bind_cancellation_slot(
                signal.slot(),
                [&](std::exception_ptr, Result<std::vector<kafka::Record>> r) {
                    result.emplace(std::move(r));
                }
            )
        );
        io.restart();
        io.poll();
        signal.emit(net::cancellation_type::terminal);
        while (!result && io.run_one() > 0) {
        }
        // The signal may still be on its way, and must not go before it has arrived.
        io.restart();
        io.poll();
        return std::move(result.value());
    }

    /// Polls until `count` records have come, or none do any more.
    std::vector<kafka::Record> read(kafka::Consumer& from, std::size_t count) {
        std::vector<kafka::Record> all;
        while (all.size() < count) {
            auto records = poll(from, count - all.size(), 20s);
            if (!records) FAIL(records.error().message());
            if (records->empty()) break;
            for (auto& record : *records) all.push_back(std::move(record));
        }
        return all;
    }

    Result<void> commit(kafka::Consumer& by, const std::vector<kafka::Record>& records) {
        return run(io, by.commit(kafka::offsets_after(records)));
    }

    /// Reads and commits all that is there for the group.
    Texts drain(kafka::Consumer& from, std::size_t count) {
        const auto records = read(from, count);
        const auto done = commit(from, records);
        if (!done) FAIL(done.error().message());
        return values(records);
    }

    Cluster cluster;
    std::string topic;
    kafka::ConsumerOptions options;
    net::io_context io;
};

}  // namespace resilience::test

#endif
