// SPDX-License-Identifier: MIT
#include "integration/kafka/cluster.hpp"

#include <resilience/kafka/partitioner.hpp>
#include <resilience/kafka/producer.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::Message;
using kafka::Producer;
using Reports = Producer::Reports;

Reports produce(net::io_context& io, Producer& producer, std::vector<Message> messages) {
    return run(io, [](Producer& p, std::vector<Message> all) -> net::awaitable<Reports> {
        co_return co_await p.async_produce_batch(std::move(all));
    }(producer, std::move(messages)));
}

Result<kafka::DeliveryReport> produce(
    net::io_context& io, Producer& producer, Message message
) {
    return run(
        io,
        [](Producer& p, Message one) -> net::awaitable<Result<kafka::DeliveryReport>> {
            co_return co_await p.async_produce(std::move(one));
        }(producer, std::move(message))
    );
}

Result<kafka::TopicMetadata> metadata(
    net::io_context& io, Producer& producer, std::string topic
) {
    return run(
        io,
        [](Producer& p,
           std::string name) -> net::awaitable<Result<kafka::TopicMetadata>> {
            co_return co_await p.async_metadata(std::move(name));
        }(producer, std::move(topic))
    );
}

Result<void> flush(
    net::io_context& io, Producer& producer, std::chrono::milliseconds limit
) {
    return run(io, [](Producer& p, auto timeout) -> net::awaitable<Result<void>> {
        co_return co_await p.async_flush(timeout);
    }(producer, limit));
}

bool all_good(const Reports& reports) {
    return std::ranges::all_of(reports, [](const auto& r) { return r.has_value(); });
}

}  // namespace

TEST_CASE("O8: a message arrives with key, value, headers, partition and offset") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("message", 3);
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    const auto began = Clock::now();
    const auto first = produce(
        io,
        producer,
        Message{
            .topic = topic,
            .key = "k",
            .value = "v1",
            .headers = {{"traceparent", "00-a-b-01"}, {"empty", ""}},
            .partition = 2}
    );
    using Milliseconds = std::chrono::duration<double, std::milli>;
    MESSAGE("first message after ", Milliseconds(Clock::now() - began).count(), " ms");
    REQUIRE(first.has_value());
    CHECK(first->partition == 2);
    CHECK(first->offset == 0);
    const auto second = produce(
        io, producer, Message{.topic = topic, .key = "", .value = "", .partition = 2}
    );
    REQUIRE(second.has_value());
    CHECK(second->offset == 1);
    const auto bare = produce(io, producer, Message{.topic = topic, .partition = 2});
    REQUIRE(bare.has_value());

    const auto consumed = cluster.consume(topic, 3);
    REQUIRE(consumed.size() == 3);
    CHECK(consumed[0].key == "k");
    CHECK(consumed[0].value == "v1");
    CHECK(consumed[0].headers.at("traceparent") == "00-a-b-01");
    CHECK(consumed[0].headers.at("empty").empty());
    // kcat tells none (-1) from empty (0).
    CHECK(
        cluster.kcat(topic, "%p %o %K %S") ==
        std::vector<std::string>{"2 0 1 2", "2 1 0 0", "2 2 -1 -1"}
    );
}

TEST_CASE("O8 O9: keys stay in order, in the partition that Java would choose") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("order", 5);
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    std::vector<Message> messages;
    for (int i = 0; i < 5000; ++i) {
        messages.push_back(
            {.topic = topic,
             .key = "key-" + std::to_string(i % 37),
             .value = std::to_string(i)}
        );
    }
    const auto reports = produce(io, producer, messages);
    REQUIRE(reports.size() == messages.size());
    REQUIRE(all_good(reports));
    for (std::size_t i = 0; i < 37; ++i) {
        CHECK(reports[i]->partition == kafka::hash_partition(*messages[i].key, 5));
    }
    const auto consumed = cluster.consume(topic, messages.size());
    CHECK(consumed.size() == messages.size());
    for (int key = 0; key < 37; ++key) {
        std::vector<std::string> expected;
        for (int i = key; i < 5000; i += 37) expected.push_back(std::to_string(i));
        CHECK(values_of(consumed, "key-" + std::to_string(key)) == expected);
    }
}

TEST_CASE("O8: a message that is refused before it is sent harms no other key") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("refused", 2);
    auto options = cluster.options();
    options.max_message_bytes = 10'000;
    net::io_context io;
    Producer producer(io.get_executor(), options);
    const auto reports = produce(
        io,
        producer,
        {{.topic = topic, .key = "a", .value = "1"},
         {.topic = topic, .key = "large", .value = std::string(20'000, 'x')},
         {.topic = topic, .key = "large", .value = "2"},
         {.topic = "no/topic", .key = "b", .value = "3"},
         {.topic = topic, .key = "b", .value = "4"},
         {.topic = topic, .key = "c", .value = "5", .partition = 7},
         {.topic = topic, .key = "a", .value = "6"},
         {.topic = topic, .value = "7"}}
    );
    REQUIRE(reports.size() == 8);
    CHECK(reports[0].has_value());
    CHECK(reports[1].error() == Errc::too_large);
    CHECK(reports[2].error() == Errc::cancelled);
    CHECK(reports[3].error() == Errc::bad_destination);
    CHECK(reports[4].error() == Errc::cancelled);
    CHECK(reports[5].error() == Errc::bad_destination);
    CHECK(reports[6].has_value());
    CHECK(reports[7].has_value());
    CHECK_FALSE(producer.is_fatal());
    CHECK(cluster.consume(topic, 3).size() == 3);
}

TEST_CASE("O8: when the broker refuses a message nothing behind it is written") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("gapless", 1, {{"max.message.bytes", "3000"}});
    const auto other = cluster.make_topic("gapless-other", 1);
    auto options = cluster.options();
    options.settings["batch.num.messages"] = "5";
    net::io_context io;
    Producer producer(io.get_executor(), options);
    std::vector<Message> messages;
    for (int i = 0; i < 200; ++i) {
        messages.push_back(
            {.topic = topic, .key = "k", .value = noise(i == 12 ? 6000 : 50)}
        );
    }
    messages.push_back({.topic = other, .key = "k", .value = "x"});
    const auto reports = produce(io, producer, messages);
    CHECK(reports[12].error() == Errc::too_large);
    CHECK(reports[50].error() == Errc::cancelled);
    CHECK(reports[50].error().detail.find("too large") != std::string::npos);
    CHECK(producer.is_fatal());
    const auto late =
        produce(io, producer, Message{.topic = topic, .key = "k", .value = "z"});
    CHECK(late.error() == Errc::closed);

    std::vector<std::string> expected;
    for (int i = 0; i < 10; ++i)
        expected.push_back(*messages[static_cast<std::size_t>(i)].value);
    CHECK(values_of(cluster.consume(topic, 10), "k") == expected);
}

TEST_CASE("O8: more messages than the queue takes are refused, later ones are not") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("full", 1);
    auto options = cluster.options();
    options.queue_messages = 10;
    net::io_context io;
    Producer producer(io.get_executor(), options);
    const Message message{.topic = topic, .key = "k", .value = "v"};
    const auto reports = produce(io, producer, std::vector<Message>(11, message));
    for (const auto& report : reports) CHECK(report.error() == Errc::queue_full);
    CHECK(all_good(produce(io, producer, std::vector<Message>(10, message))));
    CHECK_FALSE(producer.is_fatal());
}

TEST_CASE("O8: no message: no report") {
    const auto cluster = Cluster::of_environment();
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    CHECK(produce(io, producer, std::vector<Message>{}).empty());
}

TEST_CASE("O8: metadata tells the partitions, and that there is no such topic") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("metadata", 6);
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    CHECK(metadata(io, producer, topic)->partitions == 6);
    CHECK(metadata(io, producer, topic)->partitions == 6);
    CHECK(metadata(io, producer, "no topic").error() == Errc::bad_destination);
    CHECK(metadata(io, producer, "").error() == Errc::bad_destination);
}

TEST_CASE("O8: flush waits until nothing is on its way") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("flush", 1);
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    CHECK(flush(io, producer, 0ms).has_value());
    bool reported = false;
    producer.async_produce(
        Message{.topic = topic, .key = "k", .value = "v"},
        [&](Result<kafka::DeliveryReport> report) { reported = report.has_value(); }
    );
    CHECK(flush(io, producer, 10s).has_value());
    io.poll();
    CHECK(reported);
}

TEST_CASE("O8: an idle producer does not keep the context busy") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("idle", 1);
    net::io_context io;
    Producer producer(io.get_executor(), cluster.options());
    bool reported = false;
    producer.async_produce(
        Message{.topic = topic, .key = "k", .value = "v"},
        [&](Result<kafka::DeliveryReport> report) { reported = report.has_value(); }
    );
    io.run();
    CHECK(reported);
}

TEST_CASE("O8: many threads may share a producer") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("threads", 3);
    net::thread_pool pool(4);
    Producer producer(pool.get_executor(), cluster.options());
    std::vector<std::future<Result<kafka::DeliveryReport>>> reports;
    constexpr int each = 250;
    std::atomic<int> good{0};
    std::atomic<int> ended{0};
    for (int thread = 0; thread < 4; ++thread) {
        net::post(pool, [&, thread] {
            for (int i = 0; i < each; ++i) {
                producer.async_produce(
                    Message{
                        .topic = topic,
                        .key = std::to_string(thread),
                        .value = std::to_string(i)},
                    [&](Result<kafka::DeliveryReport> report) {
                        good += report.has_value() ? 1 : 0;
                        ++ended;
                    }
                );
            }
        });
    }
    pool.join();
    CHECK(ended == 4 * each);
    CHECK(good == 4 * each);
    const auto consumed = cluster.consume(topic, 4 * each);
    std::vector<std::string> expected;
    for (int i = 0; i < each; ++i) expected.push_back(std::to_string(i));
    for (int thread = 0; thread < 4; ++thread) {
        CHECK(values_of(consumed, std::to_string(thread)) == expected);
    }
}

TEST_CASE("O8: messages in flight complete when their producer is destroyed") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("destroyed", 2);
    net::io_context io;
    auto producer = std::make_unique<Producer>(io.get_executor(), cluster.options());
    CHECK(metadata(io, *producer, topic).has_value());
    int ended = 0;
    for (int i = 0; i < 1000; ++i) {
        producer->async_produce(
            Message{.topic = topic, .key = std::to_string(i), .value = noise(200)},
            [&](Result<kafka::DeliveryReport> report) {
                ++ended;
                if (!report) CHECK(report.error() == Errc::cancelled_in_doubt);
            }
        );
    }
    io.restart();
    for (int i = 0; i < 500; ++i) io.poll_one();
    producer.reset();
    io.run();
    CHECK(ended == 1000);
}
