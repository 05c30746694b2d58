// SPDX-License-Identifier: MIT
#include "unit/outbox/consume_world.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace consume_tests;

namespace {

using Texts = std::vector<std::string>;

// Puts poison away, and counts.
struct PutAway {
    std::vector<std::pair<std::string, Failure>>* letters;

    net::awaitable<Result<void>> operator()(const Record& record, const Failure& why)
        const {
        letters->emplace_back(record.value, why);
        co_return Result<void>{};
    }
};

}  // namespace

TEST_CASE("consume_once handles each record and then commits the offsets once") {
    World world;
    const auto batch = world.consume();
    REQUIRE(batch.has_value());
    CHECK(batch->handled == 3);
    CHECK(world.database.effects == Texts{"a", "b", "c"});
    CHECK(world.consumer.committed == 3);
    CHECK(world.consumer.commits == 1);

    const auto none = world.consume();
    REQUIRE(none.has_value());
    CHECK(none->handled + none->repeated + none->poisoned == 0);
    CHECK(world.consumer.commits == 1);
}

TEST_CASE("consume_once asks for no more than a batch") {
    World world;
    world.options.batch = 2;
    CHECK(world.consume()->handled == 2);
    CHECK(world.consume()->handled == 1);
    CHECK(world.database.effects == Texts{"a", "b", "c"});
}

TEST_CASE("consume_once has no second effect of an event that comes again") {
    World world;
    world.consumer.add("a");
    REQUIRE(world.consume().has_value());
    // As after a crash before the offsets were committed.
    world.consumer.committed = 0;
    world.consumer.rewind();
    const auto batch = world.consume();
    REQUIRE(batch.has_value());
    CHECK(batch->handled == 0);
    CHECK(batch->repeated == 4);
    CHECK(world.database.effects == Texts{"a", "b", "c"});
    CHECK(world.consumer.committed == 4);
}

TEST_CASE("consume_once tries a record again until what failed has passed") {
    World world;
    world.failures["b"] = {fail(Errc::unavailable), fail(Errc::rate_limited)};
    world.database.ends = {{fail(Errc::serialization_conflict), false}};
    const auto began = world.time.now();
    const auto batch = world.consume();
    REQUIRE(batch.has_value());
    CHECK(batch->handled == 3);
    CHECK(world.database.effects == Texts{"a", "b", "c"});
    CHECK(world.time.now() - began == 100ms + 100ms + 200ms);
}

TEST_CASE("consume_once waits as long as the failure asks for") {
    World world;
    world.failures["a"] = {fail(Errc::rate_limited, {}, 7s), fail(Errc::shed, {}, 2h)};
    const auto began = world.time.now();
    REQUIRE(world.consume().has_value());
    CHECK(world.time.now() - began == 7s + world.options.retry.max_hint);
}

TEST_CASE("consume_once finds out what became of a commit in doubt") {
    for (const bool committed : {true, false}) {
        World world;
        world.database.ends = {{fail(Errc::connection_lost), committed}};
        const auto batch = world.consume();
        REQUIRE(batch.has_value());
        CHECK(batch->repeated == (committed ? 1 : 0));
        CHECK(world.database.effects == Texts{"a", "b", "c"});
    }
}

TEST_CASE("consume_once gives up after its attempts and begins there the next time") {
    World world;
    world.failures["b"].assign(5, fail(Errc::unavailable));
    const auto failed = world.consume();
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error() == Errc::unavailable);
    CHECK(world.consumer.committed == 1);
    CHECK(world.failures["b"].empty());
    const auto batch = world.consume();
    REQUIRE(batch.has_value());
    CHECK(batch->handled == 2);
    CHECK(world.database.effects == Texts{"a", "b", "c"});
}

TEST_CASE("consume_once does not try again what a closed pool or a defect refuses") {
    for (const auto why : {Errc::closed, Errc::access_denied, Errc::cancelled}) {
        World world;
        world.failures["a"].assign(2, fail(why));
        const auto failed = world.consume(WriteValue{&world.failures}, HaltOnPoison{});
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error() == why);
        CHECK(world.failures["a"].size() == 1);
        CHECK(world.consumer.commits == 0);
    }
}

TEST_CASE("consume_once stops at poison unless it is put away") {
    World world;
    world.failures["b"].assign(9, fail(Errc::invalid_request, "no price"));
    for (int i = 0; i < 2; ++i) {
        const auto failed = world.consume();
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error() == Errc::invalid_request);
        CHECK(world.consumer.committed == 1);
    }
    std::vector<std::pair<std::string, Failure>> letters;
    const auto batch = world.consume(WriteValue{&world.failures}, PutAway{&letters});
    REQUIRE(batch.has_value());
    CHECK(batch->handled == 1);
    CHECK(batch->poisoned == 1);
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].first == "b");
    CHECK(letters[0].second.detail == "no price");
    CHECK(world.database.effects == Texts{"a", "c"});
    CHECK(world.consumer.committed == 3);
    // Handed out again, it is not put away again.
    world.consumer.committed = 0;
    world.consumer.rewind();
    CHECK(world.consume(WriteValue{&world.failures}, PutAway{&letters})->repeated == 3);
    CHECK(letters.size() == 1);
}

TEST_CASE("consume_once puts away no record for what the database refuses to all") {
    for (const auto why :
         {Errc::access_denied,
          Errc::bad_destination,
          Errc::storage_full,
          Errc::corrupt_data,
          Errc::unavailable}) {
        CHECK_FALSE(is_poison(fail(why)));
    }
    for (const auto why : {Errc::invalid_request, Errc::already_exists, Errc::internal}) {
        CHECK(is_poison(fail(why)));
    }
    // Nor for a failure that is not the handler's own.
    World world;
    world.database.ends = {{fail(Errc::invalid_request), false}};
    std::vector<std::pair<std::string, Failure>> letters;
    CHECK_FALSE(world.consume(WriteValue{&world.failures}, PutAway{&letters}).has_value()
    );
    CHECK(letters.empty());
}

TEST_CASE("consume_once treats a record without an identity as poison") {
    World world;
    world.consumer.log[1].headers.clear();
    const auto failed = world.consume();
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error() == Errc::invalid_request);
    std::vector<std::pair<std::string, Failure>> letters;
    const auto batch = world.consume(WriteValue{&world.failures}, PutAway{&letters});
    REQUIRE(batch.has_value());
    CHECK(batch->poisoned == 1);
    CHECK(world.database.effects == Texts{"a", "c"});
}

TEST_CASE("consume_once takes what a handler throws for poison") {
    World world;
    const auto thrower = [](Transaction&, const Record&) -> net::awaitable<Result<void>> {
        throw std::runtime_error("a defect");
        co_return Result<void>{};
    };
    const auto failed = world.consume(thrower);
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error() == Errc::internal);
    CHECK(failed.error().detail == "a defect");
    CHECK(world.database.taken.empty());
}

TEST_CASE("consume_once goes on when another member has the partitions") {
    World world;
    world.consumer.commit_fails = fail(Errc::fenced);
    const auto batch = world.consume();
    REQUIRE(batch.has_value());
    CHECK(batch->lost);
    CHECK(batch->handled == 3);
}

TEST_CASE("consume_once tells that the offsets were not committed") {
    World world;
    world.consumer.commit_fails = fail(Errc::timed_out_in_doubt);
    const auto failed = world.consume();
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error() == Errc::timed_out_in_doubt);
    CHECK(world.consume()->repeated == 3);
    CHECK(world.consumer.committed == 3);
}

TEST_CASE("consume_once that is cancelled begins with the same record the next time") {
    World world;
    int calls = 0;
    const auto handle = [&](Transaction& in,
                            const Record& record) -> net::awaitable<Result<void>> {
        in.effects.push_back(record.value);
        if (++calls == 2) world.cancel.emit(net::cancellation_type::terminal);
        co_return Result<void>{};
    };
    CHECK_THROWS(world.consume(handle));
    CHECK(world.consumer.committed == 0);
    CHECK(world.consume().has_value());
    CHECK(world.database.effects == Texts{"a", "b", "c"});
    CHECK(world.consumer.committed == 3);
}
