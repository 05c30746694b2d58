// SPDX-License-Identifier: MIT
#include "integration/kafka/cluster.hpp"
#include "integration/kafka/foreign_transaction.hpp"

#include <resilience/kafka/topic_reader.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::Isolation;
using kafka::Record;
using kafka::TopicReader;
using kafka::TopicReaderOptions;
using Records = Result<std::vector<Record>>;

// Reads to the end, as somebody does who stores nothing of it.
net::awaitable<Records> read_all(TopicReader& reader, std::size_t* batches) {
    const auto opened = co_await reader.open();
    if (!opened) co_return opened.error();
    std::vector<Record> all;
    while (true) {
        auto batch = co_await reader.read();
        if (!batch) co_return batch.error();
        if (batch->empty()) co_return all;
        if (batches) ++*batches;
        std::ranges::move(*batch, std::back_inserter(all));
    }
}

struct World {
    explicit World(TopicReaderOptions options)
        : reader(io.get_executor(), cluster.options(), std::move(options)) {}

    Records all(std::size_t* batches = nullptr) {
        return run(io, read_all(reader, batches));
    }

    Cluster cluster = Cluster::of_environment();
    net::io_context io;
    TopicReader reader;
};

std::vector<std::string> values(const std::vector<Record>& records) {
    std::vector<std::string> made;
    for (const auto& one : records) made.push_back(one.value.value_or("none"));
    return made;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a topic is read to its end, batch by batch, each partition in its order") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 3);
    for (int i = 0; i < 30; ++i) cluster.write(topic, i % 3, "k", std::to_string(i));
    World world{{.topics = {topic}, .batch_records = 7, .side_by_side = 2}};
    std::size_t batches = 0;
    const auto records = world.all(&batches);
    REQUIRE_MESSAGE(records.has_value(), records.error().message());
    CHECK(records->size() == 30);
    CHECK(batches >= 5);
    for (int p = 0; p < 3; ++p) {
        Texts expected;
        for (int i = p; i < 30; i += 3) expected.push_back(std::to_string(i));
        Texts found;
        for (const auto& message : *records) {
            if (message.partition != p) continue;
            CHECK(message.topic == topic);
            CHECK(message.timestamp.has_value());
            CHECK(message.offset == static_cast<std::int64_t>(found.size()));
            found.push_back(*message.value);
        }
        CHECK(found == expected);
    }
    for (const auto& one : world.reader.progress()) {
        CHECK(one.first == 0);
        CHECK(one.reached == 10);
        CHECK(one.stable == 10);
        CHECK(one.end == 10);
    }
    // It begins anew.
    cluster.write(topic, 0, "k", "more");
    CHECK(world.all()->size() == 31);
}

TEST_CASE("a batch is no larger than it may be") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    cluster.write(topic, 0, "k", std::string(1000, 'x'), 10);
    World world{{.topics = {topic}, .batch_bytes = 1500}};
    std::size_t batches = 0;
    CHECK(world.all(&batches)->size() == 10);
    CHECK(batches >= 5);
}

TEST_CASE("headers, an absent key and a tombstone are read as they were sent") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    cluster.write(topic, 0, "gone", std::nullopt);
    {
        net::io_context io;
        kafka::Producer producer{io.get_executor(), cluster.options()};
        const auto sent =
            run(io,
                [](kafka::Producer& p, kafka::Message one
                ) -> net::awaitable<Result<kafka::DeliveryReport>> {
                    co_return co_await p.async_produce(std::move(one));
                }(producer,
                  {.topic = topic,
                   .value = std::string("a\0b", 3),
                   .headers = {{"h", "1"}, {"h", "2"}, {"empty", ""}}}));
        REQUIRE(sent.has_value());
    }
    World world{{.topics = {topic}}};
    const auto records = world.all();
    REQUIRE(records.has_value());
    REQUIRE(records->size() == 2);
    const auto& tombstone = records->front();
    CHECK(tombstone.key == "gone");
    CHECK_FALSE(tombstone.value.has_value());
    const auto& other = records->back();
    CHECK_FALSE(other.key.has_value());
    CHECK(other.value == std::string("a\0b", 3));
    CHECK(other.headers == std::vector<Header>{{"h", "1"}, {"h", "2"}, {"empty", ""}});
}

TEST_CASE("what was aborted is not seen by who reads committed records alone") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    cluster.write(topic, 0, "k", "before");
    ForeignTransaction{cluster, topic}.abort();
    // Nothing but the mark of the abort is behind it.
    World committed{{.topics = {topic}}};
    const auto seen = committed.all();
    REQUIRE_MESSAGE(seen.has_value(), seen.error().message());
    CHECK(values(*seen) == Texts{"before"});
    CHECK(committed.reader.progress().front().reached == 3);
    World uncommitted{{.topics = {topic}, .isolation = Isolation::read_uncommitted}};
    CHECK(values(*uncommitted.all()) == Texts{"before", "x"});
}

TEST_CASE("an open transaction before the end is reported, and no end is made of it") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    cluster.write(topic, 0, "k", "before");
    ForeignTransaction open{cluster, topic};
    cluster.write(topic, 0, "k", "behind");
    World world{{.topics = {topic}, .patience = 500ms}};
    auto& reader = world.reader;
    REQUIRE(run(world.io, reader.open()).has_value());
    CHECK(reader.progress().front().stable == 1);
    CHECK(reader.progress().front().end == 3);
    CHECK(values(*run(world.io, reader.read())) == Texts{"before"});
    const auto refused = run(world.io, reader.read());
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::timed_out);
    const auto words = refused.error().message();
    CHECK_MESSAGE(
        words.find(topic + "[0] was read to offset 1 of 3") != words.npos, words
    );
    CHECK_MESSAGE(words.find("a transaction is open at offset 1") != words.npos, words);
    // It goes on where it stopped.
    open.commit();
    CHECK(values(*run(world.io, reader.read())) == Texts{"x", "behind"});
    CHECK(run(world.io, reader.read())->empty());
}

TEST_CASE("what comes after the reading began is not read") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    cluster.write(topic, 0, "k", "old");
    World world{{.topics = {topic}}};
    REQUIRE(run(world.io, world.reader.open()).has_value());
    cluster.write(topic, 0, "k", "new");
    CHECK(values(*run(world.io, world.reader.read())) == Texts{"old"});
    CHECK(run(world.io, world.reader.read())->empty());
}

TEST_CASE("empty topics end at once, and missing ones are told and not created") {
    const auto cluster = Cluster::of_environment();
    const auto empty = cluster.make_topic("read", 5);
    const auto missing = unique_name("missing");
    World world{{.topics = {empty}}};
    CHECK(world.all()->empty());
    CHECK(world.reader.progress().size() == 5);
    for (int i = 0; i < 2; ++i) {
        World refused{{.topics = {empty, missing}}};
        const auto why = refused.all();
        REQUIRE(why.has_error());
        CHECK(why.error() == Errc::bad_destination);
        CHECK(why.error().message().find(missing) != std::string::npos);
    }
    World lenient{{.topics = {empty, missing}, .skip_missing = true}};
    CHECK(lenient.all()->empty());
    CHECK(lenient.reader.progress().size() == 5);
}

TEST_CASE("an opening takes no longer than it may, though each question is answered") {
    const auto missing = unique_name("missing");
    World world{{.topics = {missing}, .skip_missing = true, .open_timeout = 100ms}};
    const auto why = run(world.io, world.reader.open());
    REQUIRE(why.has_error());
    CHECK(why.error() == Errc::timed_out);
    CHECK_MESSAGE(
        why.error().detail.starts_with("open_timeout: "), why.error().message()
    );
    CHECK(world.reader.progress().empty());
}

TEST_CASE("a reading begins at offsets, or at a time") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 2);
    for (int i = 0; i < 4; ++i) cluster.write(topic, 0, "k", std::to_string(i));
    cluster.write(topic, 1, "k", "other");
    World from{{.topics = {topic}, .offsets = {{{topic, 0}, 2}}}};
    auto found = values(*from.all());
    std::ranges::sort(found);
    CHECK(found == Texts{"2", "3", "other"});
    World beyond{{.topics = {topic}, .offsets = {{{topic, 0}, 99}, {{topic, 1}, 99}}}};
    CHECK(beyond.all()->empty());

    World all{{.topics = {topic}}};
    const auto records = all.all();
    const auto third = std::ranges::find_if(*records, [](const Record& one) {
        return one.value == "2";
    });
    REQUIRE(third != records->end());
    const auto time = *third->timestamp;
    World since{{.topics = {topic}, .since = time}};
    const auto later = since.all();
    CHECK(later->size() < 5);
    for (const auto& one : *later) CHECK(*one.timestamp >= time);
    CHECK(std::ranges::count(values(*later), "2") == 1);
    World never{{.topics = {topic}, .since = time + 1h}};
    CHECK(never.all()->empty());
}

TEST_CASE("reading is refused before it was begun, and can be cancelled") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("read", 1);
    const ForeignTransaction open{cluster, topic};
    World world{{.topics = {topic}}};
    CHECK(run(world.io, world.reader.read()).error() == Errc::invalid_request);
    REQUIRE(run(world.io, world.reader.open()).has_value());
    net::cancellation_signal signal;
    std::optional<Records> result;
    net::co_spawn(
        world.io,
        world.reader.read(),
        net::bind_cancellation_slot(
            signal.slot(),
            [&](std::exception_ptr, Records read) { result.emplace(std::move(read)); }
        )
    );
    net::post(world.io, [&] { signal.emit(net::cancellation_type::terminal); });
    world.io.restart();
    world.io.run();
    REQUIRE(result.has_value());
    CHECK(result->error() == Errc::cancelled);
}

TEST_CASE("an option of a reader that is out of range is named") {
    net::io_context io;
    const auto refused = [&](const std::string& name, TopicReaderOptions options) {
        CHECK_THROWS_WITH_AS(
            TopicReader(io.get_executor(), {.brokers = "localhost:1"}, options),
            doctest::Contains(name.c_str()),
            std::invalid_argument
        );
    };
    const std::vector<std::string> one{"t"};
    refused("topics", {});
    refused("topics", {.topics = {"a b"}});
    refused("topics", {.topics = {"a", "a"}});
    refused("topics", {.topics = std::vector<std::string>(100'001, "a")});
    refused("offsets", {.topics = one, .offsets = {{{"t", 0}, -1}}});
    refused("batch_records", {.topics = one, .batch_records = 0});
    refused("batch_bytes", {.topics = one, .batch_bytes = 0});
    refused("buffer_bytes", {.topics = one, .buffer_bytes = 1000});
    refused("side_by_side", {.topics = one, .side_by_side = 0});
    refused("open_timeout", {.topics = one, .open_timeout = 99ms});
    refused("patience", {.topics = one, .patience = 0ms});
    CHECK_THROWS_AS(
        TopicReader(io.get_executor(), {.brokers = ""}, {.topics = one}),
        std::invalid_argument
    );
}
