// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_SQLITE_SQLITE_FIXTURE_HPP
#define RESILIENCE_TESTS_UNIT_SQLITE_SQLITE_FIXTURE_HPP

#include <resilience/sqlite/database.hpp>
#include <resilience/sqlite/transaction.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "source_path.hpp"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

/// Shows why a result that was required to be good is not.
template <class T>
struct doctest::StringMaker<resilience::Result<T>> {
    static String convert(const resilience::Result<T>& result) {
        return result ? "a value" : result.error().message().c_str();
    }
};

namespace resilience::sqlite::test {

/// A directory of one test, removed at its end.
class Folder {
public:
    Folder() {
        const auto place = std::filesystem::temp_directory_path();
        std::string name = (place / "resilience-sqlite-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path file() const { return path_ / "test.db"; }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// Runs `work` to its end on `io` and gives what it returned.
template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr error;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        error = e;
        if (!e) result.emplace(std::move(value));
    });
    io.restart();
    while (!result && !error && io.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    REQUIRE(result.has_value());
    return std::move(*result);
}

/// Waits for one asynchronous operation, such as `db.async_open()`.
template <class T, class Operation>
Result<T> wait(net::io_context& io, Operation operation) {
    std::optional<Result<T>> result;
    std::move(operation)([&](Result<T> r) { result.emplace(std::move(r)); });
    io.restart();
    while (!result && io.run_one() > 0) {
    }
    REQUIRE(result.has_value());
    return std::move(*result);
}

inline Result<Rows> execute(
    net::io_context& io, auto& on, std::string sql, std::vector<Parameter> values = {}
) {
    return wait<Rows>(io, on.async_execute(std::move(sql), std::move(values)));
}

inline Result<void> script(net::io_context& io, auto& on, std::string sql) {
    return wait<void>(io, on.async_run_script(std::move(sql)));
}

inline Transaction begin(net::io_context& io, Database& database) {
    auto begun = wait<Transaction>(io, Transaction::async_begin(database));
    if (!begun) FAIL("begin: ", begun.error().message());
    return std::move(*begun);
}

/// A statement that runs for ever unless it is interrupted.
inline const std::string endless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT count(*) FROM n";

/// The first cell of the first row.
inline std::int64_t number(const Result<Rows>& rows) {
    if (!rows) FAIL(rows.error().message());
    REQUIRE_FALSE(rows->empty());
    return (*rows)[0].int64(0).value();
}

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The schema of the daemons, read from the migrations of this tree.
inline std::string outbox_schema() {
    const auto sql =
        read_file(tests::source_path("migrations/sqlite/0002_outbox_events.up.sql"));
    REQUIRE_FALSE(sql.empty());
    return sql;
}

}  // namespace resilience::sqlite::test

#endif
