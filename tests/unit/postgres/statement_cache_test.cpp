// SPDX-License-Identifier: MIT
#include "src/postgres/statement_cache.hpp"

#include <doctest/doctest.h>

using resilience::postgres::StatementCache;

TEST_CASE("a capacity of zero disables the cache") {
    CHECK_FALSE(StatementCache{0}.enabled());
    CHECK(StatementCache{1}.enabled());
}

TEST_CASE("a statement is found under the name it was prepared with") {
    StatementCache cache{2};
    CHECK(cache.find("SELECT 1").empty());
    const auto name = cache.next_name();
    cache.add("SELECT 1", name);
    CHECK(cache.find("SELECT 1") == name);
    CHECK(cache.next_name() != name);
}

TEST_CASE("the least recently used statement makes room and its name is dropped") {
    StatementCache cache{2};
    cache.add("a", "name_a");
    cache.add("b", "name_b");
    CHECK(cache.find("a") == "name_a");
    cache.add("c", "name_c");
    CHECK(cache.size() == 2);
    CHECK(cache.find("b").empty());
    CHECK(cache.find("a") == "name_a");
    CHECK(cache.dropped() == std::vector<std::string>{"name_b"});
    cache.released("name_b");
    CHECK(cache.dropped().empty());
}

TEST_CASE("a statement that is forgotten is dropped and may be prepared anew") {
    StatementCache cache{2};
    cache.add("a", "first");
    cache.forget("a");
    cache.forget("never added");
    CHECK(cache.find("a").empty());
    cache.add("a", "second");
    CHECK(cache.find("a") == "second");
    CHECK(cache.dropped() == std::vector<std::string>{"first"});
}

TEST_CASE("a new session holds nothing, and names are not used twice") {
    StatementCache cache{1};
    const auto first = cache.next_name();
    cache.add("a", first);
    cache.forget("a");
    cache.clear();
    CHECK(cache.size() == 0);
    CHECK(cache.dropped().empty());
    CHECK(cache.next_name() != first);
}
