// SPDX-License-Identifier: MIT
#include "integration/kafka/consumer_world.hpp"
#include "integration/kafka/foreign_transaction.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace resilience::test;
using kafka::NextOffset;

TEST_CASE("a member reads its topic once, and another goes on behind what it committed") {
    ConsumerWorld world;
    for (const char* value : {"a", "b", "c"}) world.write(value);
    {
        const auto member = world.member();
        const auto first = world.poll(*member, 2);
        REQUIRE_MESSAGE(first.has_value(), first.error().message());
        const auto records = world.read(*member, 3 - first->size());
        REQUIRE(world.commit(*member, *first).has_value());
        CHECK(first->size() + records.size() == 3);
        CHECK(first->front().topic == world.topic);
        CHECK(first->front().key == "k");
        CHECK(first->front().offset == 0);
        CHECK(first->front().timestamp.has_value());
        const auto seen = member->snapshot();
        CHECK(seen.records == 3);
        CHECK(seen.commits == 1);
        CHECK(seen.partitions == 1);
        // What is behind the commit goes with the member.
        REQUIRE(run(world.io, member->close()).has_value());
        CHECK(member->snapshot().partitions == 0);
        CHECK(run(world.io, member->close()).has_value());
        CHECK(world.poll(*member).error() == Errc::closed);
        CHECK(world.commit(*member, records).error() == Errc::closed);
    }
    const auto member = world.member();
    const auto rest = world.poll(*member);
    REQUIRE(rest.has_value());
    CHECK(rest->back().offset == 2);
    CHECK(rest->front().offset >= 1);
}

TEST_CASE("a poll hands out no more records and bytes than it is asked for") {
    ConsumerWorld world;
    for (int i = 0; i < 6; ++i) world.write(std::string(1000, 'x'));
    world.options.batch_bytes = 1500;
    const auto member = world.member();
    std::size_t count = 0;
    int polls = 0;
    for (; count < 6; ++polls) {
        const auto records = world.poll(*member, polls == 0 ? 1 : 100);
        REQUIRE(records.has_value());
        REQUIRE_FALSE(records->empty());
        CHECK(records->size() <= (polls == 0 ? 1 : 2));
        count += records->size();
    }
    CHECK(count == 6);
    const auto none = world.poll(*member, 1, 0ms);
    REQUIRE(none.has_value());
    CHECK(none->empty());
}

TEST_CASE("what was handed out and not committed comes again after a rewind alone") {
    ConsumerWorld world(2);
    for (int i = 0; i < 6; ++i) world.write(std::to_string(i), i % 2);
    const auto member = world.member();
    auto all = values(world.read(*member, 6));
    std::ranges::sort(all);
    CHECK(all == Texts{"0", "1", "2", "3", "4", "5"});
    CHECK(world.poll(*member, 100, 500ms)->empty());
    std::vector<NextOffset> some{{{world.topic, 0}, 2}};
    REQUIRE(run(world.io, member->commit(std::move(some))).has_value());
    member->rewind();
    auto again = values(world.read(*member, 4));
    std::ranges::sort(again);
    CHECK(again == Texts{"1", "3", "4", "5"});
    CHECK(world.poll(*member, 100, 500ms)->empty());
    // All of it is committed at last, and nothing comes again.
    std::vector<NextOffset> ends{{{world.topic, 0}, 3}, {{world.topic, 1}, 3}};
    REQUIRE(run(world.io, member->commit(std::move(ends))).has_value());
    member->rewind();
    CHECK(world.poll(*member, 100, 500ms)->empty());
    CHECK(member->snapshot().commits == 2);
}

TEST_CASE("a rewind takes along what was fetched behind it") {
    ConsumerWorld world;
    for (int i = 0; i < 20; ++i) world.write(std::to_string(i));
    const auto member = world.member();
    CHECK(world.read(*member, 3).size() == 3);
    // What a cancelled poll had gathered is kept for the next, unless that goes back.
    (void)world.cancelled_poll(*member);
    member->rewind();
    const auto records = world.read(*member, 20);
    for (std::size_t i = 0; i < 20; ++i) CHECK(records[i].value == std::to_string(i));
}

TEST_CASE("records of aborted transactions are never handed out, open ones not before") {
    ConsumerWorld world;
    const auto member = world.member();
    world.write("before");
    CHECK(world.drain(*member, 1) == Texts{"before"});
    {
        ForeignTransaction aborted(world.cluster, world.topic);
        CHECK(world.poll(*member, 100, 500ms)->empty());
        aborted.abort();
    }
    ForeignTransaction committed(world.cluster, world.topic);
    world.write("behind");
    CHECK(world.poll(*member, 100, 500ms)->empty());
    committed.commit();
    CHECK(world.drain(*member, 2) == Texts{"x", "behind"});
}

TEST_CASE("a commit of what was not handed out is refused") {
    ConsumerWorld world(2);
    world.write("a");
    const auto member = world.member();
    const auto try_to = [&](std::vector<NextOffset> offsets) {
        const auto done = run(world.io, member->commit(std::move(offsets)));
        REQUIRE_FALSE(done.has_value());
        return static_cast<Errc>(done.error().code.value());
    };
    CHECK(try_to({{{world.topic, 0}, 1}}) == Errc::fenced);
    REQUIRE(world.read(*member, 1).size() == 1);
    CHECK(try_to({{{world.topic, 0}, 2}}) == Errc::fenced);
    CHECK(try_to({{{world.topic, 1}, 1}}) == Errc::fenced);
    CHECK(try_to({{{"other", 0}, 1}}) == Errc::fenced);
    CHECK(try_to({{{world.topic, 0}, -1}}) == Errc::invalid_request);
    CHECK(
        try_to({{{world.topic, 0}, 1}, {{world.topic, 0}, 0}}) == Errc::invalid_request
    );
    // What is owned is committed all the same.
    CHECK(try_to({{{world.topic, 0}, 1}, {{"other", 0}, 1}}) == Errc::fenced);
    REQUIRE(run(world.io, member->close()).has_value());
    world.write("b");
    CHECK(world.drain(*world.member(), 1) == Texts{"b"});
}

TEST_CASE("a poll without end is cancelled at once and loses nothing") {
    ConsumerWorld world;
    const auto member = world.member();
    for (int i = 0; i < 2; ++i) {
        const auto result = world.cancelled_poll(*member);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error() == Errc::cancelled);
    }
    world.write("a");
    CHECK(world.drain(*member, 1) == Texts{"a"});
}

TEST_CASE("a topic that is not there is told, and the others are read") {
    ConsumerWorld world;
    world.options.topics.push_back(unique_name("missing"));
    world.write("a");
    const auto member = world.member();
    bool told = false;
    Texts seen;
    while (!told || seen.empty()) {
        const auto records = world.poll(*member, 100, 30s);
        if (!records) {
            CHECK(records.error() == Errc::bad_destination);
            CHECK_FALSE(std::exchange(told, true));
            continue;
        }
        REQUIRE_FALSE(records->empty());
        for (auto& value : values(*records)) seen.push_back(std::move(value));
    }
    CHECK(seen == Texts{"a"});
}

TEST_CASE("where no offset may be guessed, nothing is read") {
    ConsumerWorld world;
    world.write("a");
    world.options.reset = kafka::OffsetReset::fail;
    const auto member = world.member();
    const auto records = world.poll(*member, 100, 30s);
    REQUIRE_FALSE(records.has_value());
    CHECK(records.error() == Errc::history_changed);
}

TEST_CASE("a member that is destroyed leaves its group") {
    ConsumerWorld world;
    world.options.session_timeout = 30s;
    world.write("a");
    { CHECK(world.drain(*world.member(), 1) == Texts{"a"}); }
    world.write("b");
    // Without that it would wait for the session's end.
    const auto other = world.member();
    const auto records = world.poll(*other, 100, 15s);
    REQUIRE(records.has_value());
    CHECK(values(*records) == Texts{"b"});
}

TEST_CASE("as many bytes as may be are fetched in advance") {
    ConsumerWorld world;
    world.options.prefetch_bytes = std::size_t{1024} * 1024 * 1024;
    world.options.prefetch_messages = 10'000'000;
    world.write("a");
    CHECK(world.drain(*world.member(), 1) == Texts{"a"});
    world.options.prefetch_bytes = std::size_t{1024} * 1024;
    world.options.prefetch_messages = 1;
    for (int i = 0; i < 5; ++i) world.write(std::to_string(i));
    CHECK(world.drain(*world.member(), 5) == Texts{"0", "1", "2", "3", "4"});
}
