// SPDX-License-Identifier: MIT
#include <modules/migrations/migration.hpp>

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace resilience;
using namespace resilience::modules::migrations;

namespace {

constexpr Migration known[] = {
    {1, "users", "CREATE 1", "DROP 1", "aa"},
    {2, "outbox", "CREATE 2", "DROP 2", "bb"},
    {4, "late", "CREATE 4", "DROP 4", "dd"},
};

Applied applied(int version, std::string checksum) {
    return {.version = version, .name = "n", .checksum = std::move(checksum)};
}

}  // namespace

TEST_CASE("M17: migrations are applied in order and none twice") {
    CHECK((*next_up(known, {}))->version == 1);
    const std::vector one{applied(1, "aa")};
    CHECK((*next_up(known, one))->version == 2);
    const std::vector all{applied(1, "aa"), applied(2, "bb"), applied(4, "dd")};
    CHECK(*next_up(known, all) == nullptr);
}

TEST_CASE("M17: a migration that was left out is applied later") {
    const std::vector gap{applied(1, "aa"), applied(4, "dd")};
    CHECK((*next_up(known, gap))->version == 2);
}

TEST_CASE("M17: the last migration is taken back first") {
    const std::vector two{applied(1, "aa"), applied(2, "bb")};
    CHECK((*next_down(known, two))->version == 2);
    CHECK(*next_down(known, {}) == nullptr);
}

TEST_CASE("M17: a changed file and an unknown version stop both ways") {
    const std::vector changed{applied(1, "xx")};
    const std::vector newer{applied(1, "aa"), applied(9, "zz")};
    for (const auto& state : {changed, newer}) {
        for (const auto& step : {next_up(known, state), next_down(known, state)}) {
            REQUIRE_FALSE(step.has_value());
            CHECK(step.error() == Errc::corrupt_data);
        }
    }
    CHECK(
        next_up(known, changed).error().detail.starts_with("migration 1 (n) was changed")
    );
    CHECK(next_up(known, newer)
              .error()
              .detail.starts_with("migration 9 (n) was applied by a newer"));
}

TEST_CASE("M17: a file is split where a line ends with a semicolon, without its comments"
) {
    CHECK(
        statements("-- a comment;\nCREATE TABLE t (\n  -- inside\n  a int -- no; "
                   "end\n);\n\nDROP x;\nlast") ==
        std::vector<std::string>{
            "CREATE TABLE t (\n  a int -- no; end\n)", "DROP x", "last"}
    );
    CHECK(statements("").empty());
    CHECK(statements("-- nothing\n").empty());
}

TEST_CASE("M17: a number stands for one change, in whichever databases it is") {
    std::map<int, std::string_view> names;
    for (const auto all : {postgres_migrations(), sqlite_migrations()}) {
        for (const auto& migration : all) {
            const auto known = names.emplace(migration.version, migration.name).first;
            CHECK(known->second == migration.name);
        }
    }
    CHECK(names.size() == static_cast<std::size_t>(names.rbegin()->first));
}

TEST_CASE(
    "M17: the embedded migrations are numbered from 1, by what they are about, and can "
    "be "
    "taken back"
) {
    for (const auto all : {postgres_migrations(), sqlite_migrations()}) {
        int last = 0;
        std::set<std::string_view> checksums;
        for (const auto& migration : all) {
            // What one of the databases does not need has no number in it.
            CHECK(migration.version > last);
            last = migration.version;
            CHECK_FALSE(statements(migration.up).empty());
            CHECK_FALSE(statements(migration.down).empty());
            CHECK(migration.checksum.size() == 64);
            checksums.insert(migration.checksum);
        }
        CHECK(checksums.size() == all.size());
        REQUIRE(all.size() >= 3);
        CHECK(all[0].version == 1);
    }
}
