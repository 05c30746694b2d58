// SPDX-License-Identifier: MIT
#include "integration/kafka/lane_world.hpp"

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;

using Values = std::vector<std::string>;

std::vector<std::size_t> refused_by(const LaneSink& sink) {
    std::vector<std::size_t> indexes;
    for (const auto& one : sink.refusals()) indexes.push_back(one.event);
    return indexes;
}

}  // namespace

TEST_CASE("I1: the first take-over of a lane finds no position, and creates its topic") {
    LaneWorld world;
    auto owner = world.owner();
    const auto position = world.take_over(*owner);
    REQUIRE_MESSAGE(position.has_value(), position.error().message());
    CHECK_FALSE(position->has_value());
    CHECK(owner->snapshot().take_overs == 1);
    CHECK(owner->snapshot().ready);

    // Each lane creates it or finds it.
    auto other = world.owner(3);
    CHECK(world.take_over(*other).has_value());
}

TEST_CASE("I1: what was committed is found by the next owner, event by event") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("lane", 2);
    auto first = world.owner(2);
    REQUIRE(world.take_over(*first).has_value());
    const auto next = position_after({}, 3);
    const std::vector rows{row_of(topic, "1"), row_of(topic, "2"), row_of(topic, "3")};
    const auto done = world.commit(*first, rows, next);
    REQUIRE_MESSAGE(done.has_value(), done.error().message());
    CHECK(first->snapshot().commits == 1);
    CHECK(first->snapshot().events == 3);
    CHECK(first->snapshot().last_commit > 0ns);

    auto second = world.owner(2);
    const auto position = world.take_over(*second);
    REQUIRE(position.has_value());
    CHECK(*position == next);

    const auto consumed = world.cluster().consume(topic, 3);
    CHECK(values_in(consumed) == Values{"1", "2", "3"});
    for (std::size_t i = 0; i < consumed.size(); ++i) {
        auto headers = consumed[i].headers;
        CHECK(headers["lane"] == "2");
        CHECK(headers["lane_seq"] == std::to_string(i + 1));
        CHECK(headers["ce_id"] == rows[i].event.id);
        CHECK(consumed[i].key == "k");
    }
}

TEST_CASE("I1: lanes of one outbox do not see each other's positions") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("lanes", 1);
    auto one = world.owner(0);
    auto other = world.owner(1);
    REQUIRE(world.take_over(*one).has_value());
    REQUIRE(world.take_over(*other).has_value());
    const auto ones = position_after({}, 1);
    REQUIRE(world.commit(*one, {row_of(topic, "1")}, ones).has_value());
    const auto others = position_after(position_after({}, 1), 1);
    const std::vector rows{row_of(topic, "2"), row_of(topic, "3")};
    REQUIRE(world.commit(*other, rows, others).has_value());
    CHECK(world.take_over(*one).value() == ones);
    CHECK(world.take_over(*other).value() == others);
}

TEST_CASE("I1: outboxes that share a position topic do not see each other's positions") {
    LaneWorld world;
    LaneWorld other;
    world.options().position_topic = unique_name("shared");
    other.options().position_topic = world.options().position_topic;
    const auto topic = world.cluster().make_topic("shared", 1);
    auto ours = world.owner();
    auto theirs = other.owner();
    REQUIRE(world.take_over(*ours).has_value());
    REQUIRE(other.take_over(*theirs).has_value());
    const auto next = position_after({}, 1);
    REQUIRE(world.commit(*ours, {row_of(topic, "1")}, next).has_value());
    CHECK(other.take_over(*theirs).value() == std::nullopt);
    CHECK(world.take_over(*ours).value() == next);
}

TEST_CASE("I1: a position alone is committed when a window was empty") {
    LaneWorld world;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto next = position_after({}, 0);
    CHECK(world.commit(*owner, {}, next).has_value());
    CHECK(world.take_over(*owner).value() == next);
}

TEST_CASE("I2: five thousand events go in one transaction, in order and without gaps") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("many", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    std::vector<WindowEvent> rows;
    for (int i = 0; i < 5000; ++i) rows.push_back(row_of(topic, std::to_string(i)));
    const auto next = position_after({}, rows.size());
    REQUIRE(world.commit(*owner, rows, next).has_value());
    const auto consumed = world.cluster().consume(topic, rows.size());
    REQUIRE(consumed.size() == rows.size());
    bool in_order = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto headers = consumed[i].headers;
        in_order = in_order && consumed[i].value == rows[i].event.event_data &&
                   headers["lane_seq"] == std::to_string(i + 1);
    }
    CHECK(in_order);
    CHECK(world.take_over(*owner).value() == next);
}

TEST_CASE("I2: commits follow one another on one producer") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("series", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    LanePosition last;
    for (int i = 0; i < 20; ++i) {
        const auto next = position_after(last, 1);
        const auto done = world.commit(*owner, {row_of(topic, std::to_string(i))}, next);
        REQUIRE_MESSAGE(done.has_value(), done.error().message());
        last = next;
    }
    const auto snapshot = owner->snapshot();
    CHECK(snapshot.commits == 20);
    CHECK(snapshot.take_overs == 1);
    CHECK(snapshot.suspicions == 0);
    CHECK(world.cluster().consume(topic, 20).size() == 20);
}

TEST_CASE("I7: the earlier owner is fenced, and nothing of its chunk is seen") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("fence", 1);
    auto old = world.owner();
    REQUIRE(world.take_over(*old).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*old, {row_of(topic, "1")}, first).has_value());

    auto young = world.owner();
    CHECK(world.take_over(*young).value() == first);
    const auto zombie = position_after(first, 1);
    const auto refused = world.commit(*old, {row_of(topic, "zombie")}, zombie);
    REQUIRE(refused.has_error());
    CHECK_MESSAGE(refused.error() == Errc::fenced, refused.error().message());
    CHECK(old->snapshot().fences == 1);
    CHECK_FALSE(old->snapshot().ready);

    const auto second = position_after(first, 1);
    REQUIRE(world.commit(*young, {row_of(topic, "2")}, second).has_value());
    CHECK(values_in(world.cluster().consume(topic, 2)) == Values{"1", "2"});
    CHECK(world.take_over(*young).value() == second);
}

TEST_CASE("I2: a chunk with an oversize event is aborted whole and names the event") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("oversize", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "before")}, first).has_value());

    std::vector rows{
        row_of(topic, "1"),
        row_of(topic, std::string(2'000'000, 'x')),
        row_of(topic, "3"),
        row_of(topic, std::string(2'000'000, 'y'))};
    const auto next = position_after(first, rows.size());
    const auto refused = world.commit(*owner, rows, next);
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK(refused.error().detail.find(rows[1].event.id) != std::string::npos);
    CHECK(refused_by(*owner) == std::vector<std::size_t>{1, 3});
    CHECK(owner->snapshot().aborts == 1);

    // I8: no transaction follows on that producer.
    const auto again = world.commit(*owner, rows, next);
    REQUIRE(again.has_error());
    CHECK(again.error() == Errc::invalid_request);
    CHECK(again.error().detail.find("taken over") != std::string::npos);

    CHECK(world.take_over(*owner).value() == first);
    rows[1].event.event_data = "2";
    rows[3].event.event_data = "4";
    REQUIRE(world.commit(*owner, rows, next).has_value());
    CHECK(refused_by(*owner).empty());
    CHECK(
        values_in(world.cluster().consume(topic, 5)) ==
        Values{"before", "1", "2", "3", "4"}
    );
}

TEST_CASE("I2: an event that the broker refuses aborts its chunk and is found by halves"
) {
    LaneWorld world;
    const auto topic =
        world.cluster().make_topic("refused", 1, {{"max.message.bytes", "4000"}});
    world.producer.compression = kafka::Compression::none;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const std::vector rows{
        row_of(topic, "1"), row_of(topic, std::string(8000, 'x')), row_of(topic, "3")};
    const auto refused = world.commit(*owner, rows, position_after({}, 3));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK(world.take_over(*owner).value() == std::nullopt);

    const std::vector alone{rows[1]};
    const auto found = world.commit(*owner, alone, position_after({}, 1));
    REQUIRE(found.has_error());
    CHECK(found.error() == Errc::too_large);
    CHECK(refused_by(*owner) == std::vector<std::size_t>{0});
    CHECK(world.take_over(*owner).value() == std::nullopt);
    CHECK(world.cluster().consume(topic, 0).empty());
}

TEST_CASE("I2: a chunk that failed holds up no consumer, though nobody takes over") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("free", 1);
    const auto strict =
        world.cluster().make_topic("strict", 1, {{"max.message.bytes", "4000"}});
    world.producer.compression = kafka::Compression::none;
    world.options().transaction_timeout = 10min;
    auto owner = world.owner();
    auto other = world.owner(1);
    REQUIRE(world.take_over(*owner).has_value());
    REQUIRE(world.take_over(*other).has_value());
    const std::vector rows{row_of(topic, "1"), row_of(strict, std::string(8000, 'x'))};
    CHECK(world.commit(*owner, rows, position_after({}, 2)).error() == Errc::too_large);
    REQUIRE(world.commit(*other, {row_of(topic, "2")}, position_after({}, 1)).has_value()
    );
    CHECK(values_in(world.cluster().consume(topic, 1)) == Values{"2"});
}

TEST_CASE("I2: a row with a defect is refused before anything is sent") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("defect", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    std::vector rows{row_of(topic, "1"), row_of(topic, "2")};
    rows[1].defect = "event_data: not JSON";
    const auto refused = world.commit(*owner, rows, position_after({}, 2));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::invalid_request);
    CHECK(refused.error().detail.find("not JSON") != std::string::npos);
    CHECK(refused_by(*owner) == std::vector<std::size_t>{1});
}

TEST_CASE("I2: a position that is too large aborts its chunk") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("large", 1);
    world.producer.max_message_bytes = 2000;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    auto next = position_after({}, 1);
    next.seen = "100:100:" + std::string(3000, '1');
    const auto refused = world.commit(*owner, {row_of(topic, "1")}, next);
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::too_large);
    CHECK(refused.error().detail.find("the position record") != std::string::npos);
    CHECK(refused_by(*owner).empty());
    CHECK(world.take_over(*owner).value() == std::nullopt);
    CHECK(world.cluster().consume(topic, 0).empty());
}

TEST_CASE("a lane that was taken over again knows the topics that it wrote to") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("warm", 1);
    std::atomic<int> questions = 0;
    world.producer.settings["debug"] = "metadata";
    world.producer.log = [&](int, std::string_view line) {
        if (line.find("application requested") != line.npos) ++questions;
    };
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "1")}, first).has_value());
    REQUIRE(world.take_over(*owner).has_value());
    CHECK(questions > 0);
    questions = 0;
    const auto second = position_after(first, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "2")}, second).has_value());
    CHECK(questions == 0);
}

TEST_CASE("lane_seq has no gaps: a position that leaves one is refused") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("gap", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto refused =
        world.commit(*owner, {row_of(topic, "1")}, position_after({}, 2));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::invalid_request);
    CHECK(refused_by(*owner).empty());
    CHECK(world.cluster().consume(topic, 0).empty());
}

TEST_CASE("I8: without a take-over nothing is committed") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("early", 1);
    auto owner = world.owner();
    const auto refused =
        world.commit(*owner, {row_of(topic, "1")}, position_after({}, 1));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::invalid_request);
}

TEST_CASE("I8: a replaced producer's next commit is an abort, and a take-over mends it") {
    LaneWorld world;
    world.options().epoch_guard = kafka::EpochGuard::every_transaction;
    const auto topic = world.cluster().make_topic("replace", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "1")}, first).has_value());
    CHECK_FALSE(owner->snapshot().ready);
    CHECK(owner->snapshot().suspicions == 0);

    const auto second = position_after(first, 1);
    const auto refused = world.commit(*owner, {row_of(topic, "2")}, second);
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::aborted);
    CHECK(refused.error().detail.find("EndTxn sent 1 answered 1") != std::string::npos);

    CHECK(world.take_over(*owner).value() == first);
    REQUIRE(world.commit(*owner, {row_of(topic, "2")}, second).has_value());
    CHECK(values_in(world.cluster().consume(topic, 2)) == Values{"1", "2"});
}

TEST_CASE("O9: a partition strategy decides, and one that throws refuses its event") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("strategy", 4);
    world.options().partitioner = [](const Event& event, std::int32_t count) {
        if (event.event_data == "bad") throw std::runtime_error("no idea");
        return std::optional{count - 1};
    };
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const std::vector rows{row_of(topic, "1"), row_of(topic, "bad")};
    const auto refused = world.commit(*owner, rows, position_after({}, 2));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::invalid_request);
    CHECK(refused_by(*owner) == std::vector<std::size_t>{1});
    REQUIRE(world.take_over(*owner).has_value());
    REQUIRE(world.commit(*owner, {rows[0]}, position_after({}, 1)).has_value());
    const auto consumed = world.cluster().consume(topic, 1);
    REQUIRE(consumed.size() == 1);
    CHECK(consumed[0].partition == 3);
}

TEST_CASE("a lane that the cluster put off rests after its commits, and not before") {
    LaneWorld world;
    std::atomic<std::uint64_t> told = 0;
    world.producer.settings["debug"] = "eos";
    const std::string concurrent =
        rd_kafka_err2str(RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    world.producer.log = [&](int, std::string_view line) {
        if (line.find(concurrent) != line.npos) ++told;
    };
    const auto topic = world.cluster().make_topic("rest", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    told = 0;
    LanePosition last;
    // One right after the other: some are put off.
    for (int i = 0; i < 1000 && owner->snapshot().rest == 0ns; ++i) {
        CHECK(owner->ready_at() <= Clock::now());
        const auto began = Clock::now();
        const auto next = position_after(last, 1);
        REQUIRE(world.commit(*owner, {row_of(topic, "1")}, next).has_value());
        CHECK(owner->snapshot().put_offs <= told);
        CHECK(owner->ready_at() > began + owner->snapshot().rest);
        last = next;
    }
    CHECK(owner->snapshot().put_offs > 0);
    CHECK(owner->snapshot().rest > 0ns);
}
