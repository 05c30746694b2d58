// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <resilience/postgres/unparks.hpp>
#include <source_path.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

using namespace postgres_tests;
using resilience::Errc;
using resilience::UnparkWord;

namespace {

std::string migration() {
    std::ifstream file(
        resilience::tests::source_path("migrations/postgres/0006_outbox_unparks.up.sql")
    );
    return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

TEST_CASE("unpark: a word is told once, to whoever runs its lane, in its last form") {
    const Schema schema;
    schema.script(migration());
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const auto say = [&](int lane, UnparkWord word) -> net::awaitable<void> {
            const auto said = co_await pg::request_unpark(connection, lane, word);
            CHECK(ok(said));
        };
        const auto take = [&](int lane) -> net::awaitable<std::vector<UnparkWord>> {
            auto taken = co_await pg::take_unparks(connection, lane);
            REQUIRE(ok(taken));
            co_return *taken;
        };
        UnparkWord word{7, 2};
        co_await say(0, word);
        word.events = 3;
        co_await say(0, word);
        const auto other = co_await take(1);
        CHECK(other.empty());
        const auto taken = co_await take(0);
        CHECK(taken == std::vector<UnparkWord>{{7, 3}});
        const auto again = co_await take(0);
        CHECK(again.empty());
    });
}

TEST_CASE("unpark: numbers that are none, and a table that is missing, are refused") {
    const Schema schema;
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        UnparkWord word{1, 1};
        for (const int lane : {-1, 32'768}) {
            const auto said = co_await pg::request_unpark(connection, lane, word);
            CHECK(said.error() == Errc::invalid_request);
            const auto taken = co_await pg::take_unparks(connection, lane);
            CHECK(taken.error() == Errc::invalid_request);
        }
        const auto missing = co_await pg::request_unpark(connection, 0, word);
        CHECK(missing.error() == Errc::bad_destination);
        word.events = std::numeric_limits<std::uint64_t>::max();
        const auto large = co_await pg::request_unpark(connection, 0, word);
        CHECK(large.error() == Errc::invalid_request);
    });
}
