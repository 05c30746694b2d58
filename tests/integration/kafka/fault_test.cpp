// SPDX-License-Identifier: MIT
#include "integration/kafka/private_broker.hpp"

#include <resilience/kafka/kafka_sink.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::KafkaSink;
using kafka::Message;
using kafka::Producer;

kafka::ProducerOptions impatient(const Cluster& cluster) {
    auto options = cluster.options();
    options.delivery_timeout = 2s;
    options.request_timeout = 500ms;
    options.socket_timeout = 1s;
    options.metadata_timeout = 1s;
    return options;
}

ClaimedEvent event_of(const std::string& topic, const std::string& key, int number) {
    return {
        .event = {
            .id = unique_name("id"),
            .aggregate_type = "user",
            .aggregate_id = "7",
            .event_type = "user.created",
            .event_data = std::to_string(number),
            .topic = topic,
            .partition_key = key}};
}

std::vector<ClaimedEvent> events_of(const std::string& topic, int first, int count) {
    std::vector<ClaimedEvent> events;
    for (int i = first; i < first + count; ++i) {
        events.push_back(event_of(topic, "k" + std::to_string(i % 10), i));
    }
    return events;
}

// What lies in the topic for each of ten keys, without repetitions, is 0..total in order.
void check_complete_and_ordered(
    const Cluster& cluster, const std::string& topic, int total
) {
    const auto consumed = cluster.consume(topic, static_cast<std::size_t>(total));
    MESSAGE(consumed.size(), " messages of ", total, " events");
    for (int key = 0; key < 10; ++key) {
        std::vector<std::string> expected;
        for (int i = key; i < total; i += 10) expected.push_back(std::to_string(i));
        CHECK(
            first_occurrences(values_of(consumed, "k" + std::to_string(key))) == expected
        );
    }
}

// Delivers as a relay does: what failed is tried again, before anything behind it.
net::awaitable<int> deliver_all(
    KafkaSink& sink, std::vector<ClaimedEvent> events, std::function<void(int)> on_batch
) {
    int batches = 0;
    while (!events.empty()) {
        const std::size_t size = std::min<std::size_t>(events.size(), 500);
        const auto results = co_await sink.deliver(std::span(events).first(size));
        std::vector<ClaimedEvent> left;
        for (std::size_t i = 0; i < events.size(); ++i) {
            if (i < size && results[i]) continue;
            // An outage is no event's fault: none may be counted against it.
            if (i < size && results[i].error() != Errc::cancelled) {
                CAPTURE(results[i].error().message());
                CHECK(is_retryable(results[i].error().code));
            }
            left.push_back(std::move(events[i]));
        }
        events = std::move(left);
        on_batch(++batches);
    }
    co_return batches;
}

net::awaitable<void> wait(net::io_context& io, std::chrono::milliseconds time) {
    net::steady_timer timer(io, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
}

}  // namespace

TEST_CASE("O8 O9: while the broker stands still results are retryable, later order holds"
) {
    PrivateBroker broker;
    const auto topic = broker.cluster().make_topic("paused", 3);
    net::io_context io;
    KafkaSink sink(io.get_executor(), impatient(broker.cluster()));
    for (const auto& result : run(io, sink.deliver(events_of(topic, 0, 200)))) {
        REQUIRE(result.has_value());
    }

    broker.pause();
    const auto events = events_of(topic, 200, 200);
    int in_doubt = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto results = run(io, sink.deliver(events));
        REQUIRE(results.size() == events.size());
        for (const auto& result : results) {
            REQUIRE_FALSE(result.has_value());
            CHECK(is_retryable(result.error().code));
            in_doubt += is_in_doubt(result.error().code) ? 1 : 0;
        }
    }
    CHECK(in_doubt > 0);

    broker.resume();
    auto rest = events;
    for (auto& event : events_of(topic, 400, 400)) rest.push_back(std::move(event));
    run(io, deliver_all(sink, rest, [](int) {}));
    check_complete_and_ordered(broker.cluster(), topic, 800);
}

TEST_CASE("O8: a broker that stands still for less than the timeout: exactly once") {
    PrivateBroker broker;
    const auto topic = broker.cluster().make_topic("retried", 3);
    auto options = impatient(broker.cluster());
    options.delivery_timeout = 30s;
    net::io_context io;
    Producer producer(io.get_executor(), options);
    std::vector<Message> messages;
    for (int i = 0; i < 20'000; ++i) {
        messages.push_back(
            {.topic = topic,
             .key = "k" + std::to_string(i % 10),
             .value = std::to_string(i)}
        );
    }
    Producer::Reports reports;
    const auto work = [&]() -> net::awaitable<bool> {
        (void)co_await producer.async_metadata(topic);
        producer.async_produce_batch(messages, [&](Producer::Reports all) {
            reports = std::move(all);
        });
        broker.pause();
        // Longer than socket_timeout: connections are given up and requests sent again.
        co_await wait(io, 2500ms);
        broker.resume();
        co_return (co_await producer.async_flush(30s)).has_value();
    };
    CHECK(run(io, work()));
    io.poll();
    REQUIRE(reports.size() == messages.size());
    for (const auto& report : reports) REQUIRE(report.has_value());
    CHECK(broker.cluster().consume(topic, messages.size()).size() == messages.size());
    check_complete_and_ordered(broker.cluster(), topic, 20'000);
}

TEST_CASE("O8 O9: a broker killed and started again loses nothing and keeps the order") {
    PrivateBroker broker;
    const auto topic = broker.cluster().make_topic("killed", 3);
    net::io_context io;
    KafkaSink sink(io.get_executor(), impatient(broker.cluster()));
    // The crash meets the sixth batch on its way.
    std::future<void> crash;
    const auto on_batch = [&](int batch) {
        if (batch == 5) {
            crash = std::async(std::launch::async, [&] { broker.kill(); });
        } else if (batch == 7) {
            crash.get();
            broker.start();
        }
    };
    const int batches = run(io, deliver_all(sink, events_of(topic, 0, 10'000), on_batch));
    CHECK(batches > 20);
    check_complete_and_ordered(broker.cluster(), topic, 10'000);
}

TEST_CASE("O8: a topic that does not exist fails its events, and works once it is made") {
    PrivateBroker broker;
    const auto topic = broker.cluster().make_topic("exists", 1);
    net::io_context io;
    KafkaSink sink(io.get_executor(), broker.cluster().options());
    const std::vector events{
        event_of("missing", "a", 1), event_of(topic, "b", 2), event_of(topic, "a", 3)};
    const auto results = run(io, sink.deliver(events));
    CHECK(results[0].error() == Errc::bad_destination);
    CHECK(results[1].has_value());
    CHECK(results[2].error() == Errc::cancelled);

    const auto made = broker.cluster().make_topic("late", 1);
    const std::vector late{event_of(made, "a", 1)};
    CHECK(run(io, sink.deliver(late))[0].has_value());
}

TEST_CASE("O8: a producer of a broker that stands still is destroyed without waiting") {
    PrivateBroker broker;
    const auto topic = broker.cluster().make_topic("hung", 1);
    net::io_context io;
    auto producer =
        std::make_unique<Producer>(io.get_executor(), impatient(broker.cluster()));
    std::vector<Result<kafka::DeliveryReport>> reports;
    const auto note = [&](Result<kafka::DeliveryReport> r) { reports.push_back(r); };
    producer->async_produce(Message{.topic = topic, .key = "k", .value = "0"}, note);
    io.run();
    REQUIRE(reports.size() == 1);
    REQUIRE(reports[0].has_value());

    broker.pause();
    io.restart();
    for (int i = 0; i < 100; ++i) {
        producer->async_produce(Message{.topic = topic, .key = "k", .value = "1"}, note);
    }
    io.poll();
    producer.reset();
    // Ends at once: nothing is left to wait for.
    io.run();
    REQUIRE(reports.size() == 101);
    for (std::size_t i = 1; i < reports.size(); ++i) {
        CHECK(reports[i].error() == Errc::cancelled_in_doubt);
    }
}
