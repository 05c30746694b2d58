// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_SQLITE_DATABASE_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_SQLITE_DATABASE_WORLD_HPP

#include "unit/sqlite/sqlite_fixture.hpp"

#include <memory>

namespace resilience::sqlite::test {

/// One database on a file of its own.
struct World {
    Folder folder;
    net::io_context io;
    std::optional<Database> database;

    explicit World(DatabaseOptions options = {}) {
        if (options.path.empty()) options.path = folder.file();
        database.emplace(io.get_executor(), std::move(options));
    }
    Result<Rows> operator()(std::string sql, std::vector<Parameter> values = {}) {
        return execute(io, *database, std::move(sql), std::move(values));
    }
    Result<void> run_script(std::string sql) { return script(io, *database, sql); }
    // Makes the table `t` with `rows` rows.
    void fill(int rows = 0) {
        REQUIRE(run_script("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)"));
        for (int i = 1; i <= rows; ++i) {
            REQUIRE((*this
            )("INSERT INTO t VALUES (?1, ?2)", parameters(i, std::to_string(i))));
        }
    }
    std::int64_t count() { return number((*this)("SELECT count(*) FROM t")); }
};

// Completes without anybody waiting; the results are looked at later.
template <class T>
struct Pending {
    std::shared_ptr<std::optional<Result<T>>> result =
        std::make_shared<std::optional<Result<T>>>();
    void operator()(Result<T> r) const { result->emplace(std::move(r)); }
    bool done() const { return result->has_value(); }
    Errc error() const {
        REQUIRE(done());
        REQUIRE_FALSE((*result)->has_value());
        return static_cast<Errc>((*result)->error().code.value());
    }
};

inline Pending<Rows> start(Database& database, std::string sql) {
    Pending<Rows> pending;
    database.async_execute(std::move(sql), {}, pending);
    return pending;
}

}  // namespace resilience::sqlite::test

#endif
