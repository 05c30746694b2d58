// SPDX-License-Identifier: MIT
#include "backfill_world.hpp"
#include "route_fixture.hpp"

#include <modules/backfill/command.hpp>
#include <modules/backfill/copier.hpp>

#include <sstream>

using namespace resilience;
using namespace resilience::modules;
using backfill::Chunk;
using backfill::Copier;
using backfill::Request;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

// A store, and what a command that uses it prints.
struct World {
    net::io_context context;
    fixture::MemoryStore store;
    std::ostringstream out;

    Result<void> perform(Request request) {
        return fixture::run(
            context, backfill::perform(store, std::move(request), Outbox{}, out)
        );
    }
    Result<Chunk> next(Copier& copier) {
        return fixture::run(context, copier.copy_next());
    }
};

}  // namespace

TEST_CASE("O11: a row that was left out is told once, after its chunk was committed") {
    World world;
    world.store.tables.add("first");
    world.store.tables.add("broken", "");
    world.store.tables.add("last");
    world.store.repeats = 2;
    std::vector<std::string> told;
    world.store.before_end = [&] { told.push_back(world.out.str()); };
    REQUIRE(world.perform({.aggregate_type = "user", .chunk = 2}).has_value());
    // Of the first chunk nothing was said in any of its three transactions.
    CHECK(told.size() == 4);
    CHECK(told[0].empty());
    CHECK(told[1].empty());
    CHECK(told[2].empty());
    CHECK(count(told[3], "broken left out: ") == 1);
    CHECK(count(world.out.str(), "left out") == 1);
    CHECK(count(world.out.str(), "event_type: is empty") == 1);
    CHECK(world.store.tables.written.size() == 2);
    CHECK(world.out.str().ends_with("2 events written, position 3 of 3\ndone: 2 events\n")
    );
}

TEST_CASE("O11: of a chunk that was not committed nothing is told, and the next run does "
) {
    World world;
    world.store.tables.add("broken", "");
    world.store.tables.add("good");
    world.store.failing_commit = 1;
    const auto failed = world.perform({.aggregate_type = "user"});
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error() == Errc::unavailable);
    CHECK(world.out.str().empty());
    CHECK(world.store.tables.written.empty());
    REQUIRE(world.perform({.aggregate_type = "user"}).has_value());
    CHECK(count(world.out.str(), "broken left out: ") == 1);
    CHECK(world.out.str().ends_with("done: 1 events\n"));
}

TEST_CASE("O11: a chunk returns what it did, with the rows that it left out and why") {
    World world;
    world.store.tables.add("a");
    world.store.tables.add("b", "");
    Copier copier{world.store, {.aggregate_type = "user", .chunk = 2}, Outbox{}};
    const auto chunk = world.next(copier);
    REQUIRE(chunk.has_value());
    CHECK(chunk->copied == 1);
    CHECK(chunk->run.emitted == 1);
    CHECK(chunk->run.last_seq == 2);
    CHECK(chunk->run.max_seq == 2);
    CHECK_FALSE(chunk->resumed);
    CHECK_FALSE(chunk->finished);
    REQUIRE(chunk->left_out.size() == 1);
    CHECK(chunk->left_out[0].id == "b");
    CHECK(chunk->left_out[0].reason.find("event_type") != std::string::npos);
    const auto last = world.next(copier);
    REQUIRE(last.has_value());
    CHECK(last->copied == 0);
    CHECK(last->left_out.empty());
    CHECK(last->finished);
    CHECK(world.store.tables.runs.empty());
}

TEST_CASE("O11: a run that had not finished is gone on with, and this is told once") {
    World world;
    for (const char* id : {"a", "b", "c", "d"}) world.store.tables.add(id);
    const Request request{.aggregate_type = "user", .chunk = 1};
    Copier killed{world.store, request, Outbox{}};
    REQUIRE(world.next(killed).has_value());
    // Written after the run began: not a part of it.
    world.store.tables.add("late");
    REQUIRE(world.perform(request).has_value());
    CHECK(world.store.tables.written.size() == 4);
    CHECK(count(world.out.str(), "going on with a run that had not finished\n") == 1);
    CHECK(world.out.str().ends_with("4 events written, position 4 of 4\ndone: 3 events\n")
    );
    CHECK(world.store.tables.runs_begun == 1);
}

TEST_CASE("O11: a run that another process finished is not begun again") {
    World world;
    for (const char* id : {"a", "b", "c"}) world.store.tables.add(id);
    const Request request{.aggregate_type = "user", .chunk = 1};
    Copier slow{world.store, request, Outbox{}};
    REQUIRE(world.next(slow).has_value());
    REQUIRE(world.perform(request).has_value());
    for (const bool another_began : {false, true}) {
        Copier copy = slow;
        Copier fast{world.store, request, Outbox{}};
        if (another_began) {
            REQUIRE(world.next(fast).has_value());
        }
        const auto chunk = world.next(copy);
        REQUIRE(chunk.has_value());
        CHECK(chunk->finished);
        CHECK(chunk->copied == 0);
        CHECK(chunk->run.max_seq == 0);
    }
    // Three by the first run, one by the last.
    CHECK(world.store.tables.written.size() == 4);
}

TEST_CASE("O11: a limit counts what was written, by all processes of a run") {
    World world;
    world.store.tables.add("broken", "");
    for (const char* id : {"a", "b", "c", "d"}) world.store.tables.add(id);
    const Request request{.aggregate_type = "user", .limit = 3, .chunk = 2};
    Copier killed{world.store, request, Outbox{}};
    REQUIRE(world.next(killed).has_value());
    REQUIRE(world.perform(request).has_value());
    CHECK(world.store.tables.written.size() == 3);
    CHECK(world.out.str().ends_with("3 events written, position 4 of 5\ndone: 2 events\n")
    );
}

TEST_CASE("O11: a backfill of nothing says so and shows no position") {
    World world;
    REQUIRE(world.perform({.aggregate_type = "user"}).has_value());
    CHECK(world.out.str() == "done: 0 events\n");
}

TEST_CASE("O11: a chunk looks at few rows however rare the events are, and is kept") {
    World world;
    for (int i = 0; i < 100; ++i) world.store.tables.add("o", "order.paid", "order");
    world.store.tables.add("a");
    for (int i = 0; i < 9; ++i) world.store.tables.add("o", "order.paid", "order");
    world.store.tables.add("b");
    const Request request{.aggregate_type = "user", .scan = 10};
    Copier killed{world.store, request, Outbox{}};
    const auto chunk = world.next(killed);
    REQUIRE(chunk.has_value());
    CHECK(chunk->run.last_seq == 10);
    CHECK_FALSE(chunk->finished);
    REQUIRE(world.perform(request).has_value());
    CHECK(world.store.tables.most_looked_at == 10);
    CHECK(world.store.tables.written.size() == 2);
    CHECK(world.store.tables.runs_begun == 1);
    CHECK(count(world.out.str(), "0 events written, position 100 of 111\n") == 1);
    CHECK(world.out.str().ends_with(
        "1 events written, position 110 of 111\n"
        "2 events written, position 111 of 111\ndone: 2 events\n"
    ));
}

TEST_CASE("O11: a chunk that is full before its rows end goes on behind its last event") {
    World world;
    for (const char* id : {"a", "b", "c", "d", "e"}) world.store.tables.add(id);
    const Request request{.aggregate_type = "user", .chunk = 2, .scan = 3};
    REQUIRE(world.perform(request).has_value());
    std::vector<std::string> originals;
    for (const auto& row : world.store.tables.written)
        originals.push_back(row.event.headers.back().second);
    CHECK(originals == std::vector<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("O11: numbers that no row has cost a backfill nothing") {
    World world;
    for (const char* id : {"a", "b", "c"}) world.store.tables.add(id);
    world.store.tables.outbox[1].seq = 1'000'000;
    world.store.tables.outbox[2].seq = 2'000'000;
    REQUIRE(world.perform({.aggregate_type = "user", .scan = 10}).has_value());
    CHECK(world.store.commits == 3);
    CHECK(world.store.tables.written.size() == 3);
}

TEST_CASE("O11: the summaries of ranges add up by event type, in its order") {
    std::vector<backfill::Summary> all;
    CHECK(backfill::add(all, {{"b", 2, "F2", "L2", "2", "3"}}) == 2);
    CHECK(
        backfill::add(
            all, {{"a", 1, "F5", "L5", "5", "5"}, {"b", 3, "F1", "L9", "1", "2"}}
        ) == 4
    );
    CHECK(backfill::add(all, {{"b", 1, "F7", "L7", "7", "7"}}) == 1);
    CHECK(backfill::add(all, {}) == 0);
    REQUIRE(all.size() == 2);
    CHECK(all[0].event_type == "a");
    CHECK(all[1].events == 6);
    CHECK(all[1].first == "F1");
    CHECK(all[1].last == "L7");
}

TEST_CASE("O11: a dry run shows what would be written and writes nothing") {
    World world;
    world.store.tables.add("a");
    world.store.summaries = {
        {"user.created", 2, "2026-01-01", "2026-01-02"}, {"user.updated", 1, "x", "x"}};
    REQUIRE(world.perform({.dry_run = true, .aggregate_type = "user"}).has_value());
    CHECK(
        world.out.str() ==
        "user.created: 2 events from 2026-01-01 to 2026-01-02\n"
        "user.updated: 1 events from x to x\n"
        "dry run: 3 events would be written, none was\n"
    );
    CHECK(world.store.commits == 0);
    CHECK(world.store.tables.written.empty());
}
