// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <resilience/postgres/unparks.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::Errc;
using resilience::ParkedKey;

namespace {

using Words = std::vector<ParkedKey>;

constexpr const char* words_table = "0006_outbox_unparks.up.sql";
constexpr const char* words_name_parkings = "0007_unparks_by_key.up.sql";

}  // namespace

TEST_CASE("unpark: a word is told once, to whoever runs its lane, in its last form") {
    const Schema schema;
    schema.script(Schema::migration(words_table));
    schema.script(Schema::migration(words_name_parkings));
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const auto say = [&](const char* outbox, int lane, ParkedKey word
                         ) -> net::awaitable<void> {
            const auto said =
                co_await pg::request_unpark(connection, outbox, lane, std::move(word));
            CHECK(ok(said));
        };
        const auto take = [&](const char* outbox, int lane) -> net::awaitable<Words> {
            auto taken = co_await pg::take_unparks(connection, outbox, lane);
            REQUIRE(ok(taken));
            co_return *taken;
        };
        const ParkedKey first{"orders", "k", 7, 2};
        const ParkedKey last{"mail", "it's", 7, 3};
        co_await say("o", 0, first);
        co_await say("o", 0, last);
        co_await say("p", 0, first);
        const auto other = co_await take("o", 1);
        CHECK(other.empty());
        const auto taken = co_await take("o", 0);
        CHECK(taken == Words{last});
        const auto again = co_await take("o", 0);
        CHECK(again.empty());
        const auto of_another = co_await take("p", 0);
        CHECK(of_another == Words{first});
    });
}

TEST_CASE("unpark: words from before they named their parking end none") {
    const Schema schema;
    schema.script(Schema::migration(words_table));
    schema.script("INSERT INTO outbox_unparks (lane, since, events) VALUES (0, 3, 1)");
    schema.script(Schema::migration(words_name_parkings));
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const auto left = co_await connection.async_execute(
            "SELECT lane FROM outbox_unparks", {}, net::use_awaitable
        );
        REQUIRE(ok(left));
        CHECK(left->empty());
        const auto nameless = co_await connection.async_execute(
            "INSERT INTO outbox_unparks (lane, since, events) VALUES (0, 3, 1)",
            {},
            net::use_awaitable
        );
        CHECK_FALSE(nameless.has_value());
    });
}

TEST_CASE("unpark: numbers that are none, and a table that is missing, are refused") {
    const Schema schema;
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        ParkedKey word{"t", "k", 1, 1};
        for (const int lane : {-1, 32'768}) {
            const auto said = co_await pg::request_unpark(connection, "o", lane, word);
            CHECK(said.error() == Errc::invalid_request);
            const auto taken = co_await pg::take_unparks(connection, "o", lane);
            CHECK(taken.error() == Errc::invalid_request);
        }
        const auto missing = co_await pg::request_unpark(connection, "o", 0, word);
        CHECK(missing.error() == Errc::bad_destination);
        word.events = std::numeric_limits<std::uint64_t>::max();
        const auto large = co_await pg::request_unpark(connection, "o", 0, word);
        CHECK(large.error() == Errc::invalid_request);
    });
}
