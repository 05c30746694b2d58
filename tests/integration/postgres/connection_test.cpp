// SPDX-License-Identifier: MIT
#include "server.hpp"

using namespace postgres_tests;

TEST_CASE("connection: a statement with parameters gives rows") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        CHECK(connection.is_open());
        const std::vector<std::string> texts(1, "a,\"b");
        auto rows = co_await connection.async_execute(
            "SELECT $1::text, $2::bigint, $3::bool, $4::text, $5::bytea, $6::text[]",
            pg::parameters(
                "h\xc3\xa9",
                -7,
                true,
                nullptr,
                pg::Parameter::binary(std::string_view{"\0\xff", 2}),
                pg::Parameter::array(texts)
            )
        );
        REQUIRE(ok(rows));
        REQUIRE(rows->size() == 1);
        CHECK(rows->columns() == 6);
        CHECK(rows->affected() == 1);
        CHECK(rows->command() == "SELECT 1");
        const auto row = (*rows)[0];
        CHECK(row.text(0) == "h\xc3\xa9");
        CHECK(row.int64(1).value() == -7);
        CHECK(row.boolean(2).value());
        CHECK(row.is_null(3));
        CHECK(row.bytes(4).value() == std::string("\0\xff", 2));
        CHECK(row.text(5) == R"({"a,\"b"})");
        CHECK(row.int64(0).error() == Errc::corrupt_data);
        CHECK(row.int64(3).error() == Errc::corrupt_data);
        CHECK(row.boolean(0).error() == Errc::corrupt_data);
        CHECK(row.bytes(0).error() == Errc::corrupt_data);
        CHECK_THROWS_AS(row.text(6), std::out_of_range);
        CHECK_THROWS_AS((*rows)[1], std::out_of_range);
    });
}

TEST_CASE("connection: rows are iterated, and outlive the connection") {
    run([](net::io_context&) -> net::awaitable<void> {
        pg::Rows rows;
        CHECK(rows.empty());
        {
            auto connection = co_await connected();
            rows = (co_await connection.async_execute("SELECT generate_series(1, 3)"))
                       .value();
        }
        std::int64_t sum = 0;
        for (const auto row : rows) sum += row.int64(0).value();
        CHECK(sum == 6);
    });
}

TEST_CASE("connection: a pipeline is one transaction and stops at the first failure") {
    const Schema schema;
    schema.script("CREATE TABLE t (id int PRIMARY KEY)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        std::vector<pg::Statement> good;
        good.push_back({"INSERT INTO t VALUES ($1), ($2)", pg::parameters(1, 2)});
        good.push_back({"SELECT count(*) FROM t", {}});
        const auto rows = co_await connection.async_pipeline(good);
        REQUIRE(ok(rows));
        REQUIRE(rows->size() == 2);
        CHECK((*rows)[0].affected() == 2);
        CHECK((*rows)[1][0].text(0) == "2");

        std::vector<pg::Statement> bad;
        bad.push_back({"INSERT INTO t VALUES (3)", {}});
        bad.push_back({"INSERT INTO t VALUES (1)", {}});
        bad.push_back({"SELECT pg_sleep(3600)", {}});
        const auto failed = co_await connection.async_pipeline(bad);
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error() == Errc::already_exists);
        CHECK(co_await value(connection, "SELECT count(*) FROM t") == "2");

        const auto none =
            co_await connection.async_pipeline(std::vector<pg::Statement>{});
        REQUIRE(ok(none));
        CHECK(none->empty());
    });
}

TEST_CASE("connection: a script of many commands is one transaction") {
    const Schema schema;
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const auto made =
            co_await connection.async_run_script("CREATE TABLE a (); CREATE TABLE b ();");
        CHECK(ok(made));
        const auto failed =
            co_await connection.async_run_script("CREATE TABLE c (); CREATE TABLE a ();");
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error() == Errc::invalid_request);
        CHECK(co_await value(connection, "SELECT to_regclass('c') IS NULL") == "t");
        CHECK(ok(co_await connection.async_run_script("")));
    });
}

TEST_CASE("connection: the server's refusals are told apart, and it stays usable") {
    const Schema schema;
    schema.script(
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL CHECK (n > 0));"
        "INSERT INTO t VALUES (1, 1)"
    );
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected(schema.options());
        const std::pair<const char*, Errc> cases[] = {
            {"INSERT INTO t VALUES (1, 1)", Errc::already_exists},
            {"INSERT INTO t VALUES (2, -1)", Errc::invalid_request},
            {"INSERT INTO t VALUES (2, NULL)", Errc::invalid_request},
            {"SELECT 1/0", Errc::invalid_request},
            {"SELEKT", Errc::invalid_request},
            {"SELECT 1; SELECT 2", Errc::invalid_request},
            {"SELECT * FROM missing", Errc::bad_destination},
            {"SELECT nothing FROM t", Errc::invalid_request},
            {"SELECT repeat('x', 2147483647)", Errc::too_large},
            {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$",
             Errc::serialization_conflict},
            {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$",
             Errc::storage_full},
            {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '42501'; END $$",
             Errc::access_denied},
        };
        for (const auto& [sql, code] : cases) {
            CAPTURE(sql);
            const auto rows = co_await connection.async_execute(sql);
            REQUIRE_FALSE(rows.has_value());
            CAPTURE(rows.error().detail);
            CHECK(rows.error() == code);
            CHECK(rows.error().detail.find("SQLSTATE") != std::string::npos);
            CHECK(co_await value(connection, "SELECT 1") == "1");
        }
        const auto again =
            co_await connection.async_execute("INSERT INTO t VALUES (1, 1)");
        CHECK(again.error().detail.find("t_pkey") != std::string::npos);
    });
}

TEST_CASE("connection: what cannot be sent is refused before it is sent") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        const std::string nul("a\0b", 3);
        const auto text = co_await connection.async_execute(
            "SELECT $1, $2::text", pg::parameters("x", nul)
        );
        CHECK(text.error() == Errc::invalid_request);
        CHECK(text.error().detail == "parameter 2: holds a NUL");
        CHECK((co_await connection.async_execute(nul)).error() == Errc::invalid_request);
        CHECK(
            (co_await connection.async_run_script(nul)).error() == Errc::invalid_request
        );
        const std::vector<pg::Parameter> many(65536);
        CHECK(
            (co_await connection.async_execute("SELECT 1", many)).error() ==
            Errc::invalid_request
        );
        CHECK(co_await value(connection, "SELECT 1") == "1");
    });
}

TEST_CASE("connection: COPY is refused and leaves nothing half read") {
    run([](net::io_context&) -> net::awaitable<void> {
        for (const bool script : {true, false}) {
            auto connection = co_await connected();
            const std::string sql = "COPY (SELECT 1) TO STDOUT";
            if (script) {
                const auto copied = co_await connection.async_run_script(sql);
                CHECK(copied.error() == Errc::invalid_request);
            } else {
                CHECK_FALSE((co_await connection.async_execute(sql)).has_value());
            }
            if (!connection.is_open()) CHECK(ok(co_await connection.async_connect()));
            CHECK(co_await value(connection, "SELECT 1") == "1");
        }
    });
}

TEST_CASE("connection: a second operation at the same time is refused") {
    run([](net::io_context& context) -> net::awaitable<void> {
        auto connection = co_await connected();
        std::optional<Result<pg::Rows>> first;
        connection.async_execute("SELECT pg_sleep(0.2)", {}, [&](Result<pg::Rows> rows) {
            first = std::move(rows);
        });
        const auto second = co_await connection.async_execute("SELECT 1");
        CHECK(second.error() == Errc::invalid_request);
        CHECK((co_await connection.async_connect()).error() == Errc::invalid_request);
        co_await until([&] { return first.has_value(); });
        CHECK(first->has_value());
        (void)context;
    });
}

TEST_CASE("connection: prepared statements are reused, bounded, and survive changes") {
    const Schema schema;
    schema.script("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    run([&](net::io_context&) -> net::awaitable<void> {
        auto options = schema.options();
        options.statement_cache_size = 3;
        auto connection = co_await connected(options);
        const auto prepared = [&]() -> net::awaitable<std::string> {
            std::vector<pg::Statement> count;
            count.push_back({"SELECT count(*) FROM pg_prepared_statements", {}, false});
            auto rows = co_await connection.async_pipeline(std::move(count));
            co_return std::string{rows.value()[0][0].text(0)};
        };
        for (int i = 0; i < 5; ++i) co_await value(connection, "SELECT 1");
        CHECK(co_await prepared() == "1");
        for (int i = 0; i < 20; ++i) {
            co_await value(connection, "SELECT " + std::to_string(i));
        }
        co_await value(connection, "SELECT 19");
        CHECK(co_await prepared() == "3");

        // The plan of a statement may not change what it returns.
        CHECK(co_await value(connection, "SELECT * FROM t") == "1");
        schema.script("ALTER TABLE t ALTER a TYPE text");
        const auto changed = co_await connection.async_execute("SELECT * FROM t");
        CHECK(changed.error() == Errc::invalid_request);
        CHECK(co_await value(connection, "SELECT * FROM t") == "1");

        // Somebody else on this session dropped them all.
        REQUIRE(ok(co_await connection.async_run_script("DEALLOCATE ALL")));
        const auto gone = co_await connection.async_execute("SELECT * FROM t");
        CHECK(gone.error() == Errc::invalid_request);
        CHECK(co_await value(connection, "SELECT * FROM t") == "1");
    });
}

TEST_CASE("connection: without a cache no statement is prepared") {
    run([](net::io_context&) -> net::awaitable<void> {
        auto options = server();
        options.statement_cache_size = 0;
        auto connection = co_await connected(options);
        co_await value(connection, "SELECT $1::text", pg::parameters("x"));
        CHECK(
            co_await value(
                connection, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
            ) == "0"
        );
    });
}

TEST_CASE(
    "connection: requests and answers larger than any buffer pass, with TLS and without"
) {
    run([](net::io_context&) -> net::awaitable<void> {
        for (const auto mode : {pg::SslMode::disable, pg::SslMode::require}) {
            auto options = server();
            options.ssl_mode = mode;
            options.query_timeout = 60s;
            auto connection = co_await connected(options);
            const std::string big(20'000'000, 'x');
            std::vector<pg::Statement> echo;
            for (int i = 0; i < 3; ++i) {
                echo.push_back({"SELECT $1::text", pg::parameters(big)});
            }
            const auto rows = co_await connection.async_pipeline(echo);
            REQUIRE(ok(rows));
            for (const auto& result : *rows) CHECK(result[0].text(0) == big);
            for (const int size : {8'000, 16'000, 17'000, 32'000, 33'000, 200'000}) {
                const auto text = co_await value(
                    connection, "SELECT repeat('y', $1::int)", pg::parameters(size)
                );
                CHECK(text.size() == static_cast<std::size_t>(size));
            }
        }
    });
}
