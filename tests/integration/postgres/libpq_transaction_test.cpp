// SPDX-License-Identifier: MIT
#include "contracts/claim_source.hpp"
#include "server.hpp"

#include <resilience/outbox.hpp>
#include <resilience/postgres/libpq_transaction.hpp>

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

using namespace postgres_tests;

namespace {

/// A connection as a program makes it that knows libpq and nothing of this library.
class Libpq {
public:
    explicit Libpq(const pg::ConnectionOptions& options) {
        const auto port = std::to_string(options.port);
        connection_ = PQsetdbLogin(
            options.host.c_str(),
            port.c_str(),
            options.extra.at(0).second.c_str(),
            nullptr,
            options.database.c_str(),
            options.user.c_str(),
            options.password.c_str()
        );
        if (PQstatus(connection_) != CONNECTION_OK) FAIL(PQerrorMessage(connection_));
    }
    ~Libpq() { PQfinish(connection_); }
    Libpq(const Libpq&) = delete;
    Libpq& operator=(const Libpq&) = delete;

    PGconn* get() const { return connection_; }

    std::string execute(const char* sql) const {
        PGresult* result = PQexec(connection_, sql);
        const std::string text = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0)
                                                       : PQresultErrorMessage(result);
        PQclear(result);
        return text;
    }

private:
    PGconn* connection_ = nullptr;
};

struct Appender {
    Result<resilience::Uuid> operator()(int number, PGconn* connection) const {
        pg::LibpqTransaction transaction{connection};
        return outbox.append(transaction, contract::make_event(number, "a"));
    }
    resilience::Outbox outbox;
};

const char* count_sql = "SELECT count(*) FROM outbox_events";

}  // namespace

TEST_CASE("libpq transaction: the event shares the fate of the caller's transaction") {
    const Schema schema{true};
    const Libpq libpq{schema.options()};
    const Appender append;
    libpq.execute("BEGIN");
    const auto undone = append(1, libpq.get());
    REQUIRE(ok(undone));
    CHECK(undone->to_string() == contract::event_id(1));
    // It neither began nor ended anything.
    CHECK(PQtransactionStatus(libpq.get()) == PQTRANS_INTRANS);
    libpq.execute("ROLLBACK");
    CHECK(libpq.execute(count_sql) == "0");

    libpq.execute("BEGIN");
    REQUIRE(ok(append(1, libpq.get())));
    REQUIRE(ok(append(2, libpq.get())));
    libpq.execute("COMMIT");
    CHECK(libpq.execute(count_sql) == "2");
    CHECK(
        libpq.execute("SELECT event_data->>'number' || status || topic || partition_key "
                      "FROM outbox_events ORDER BY seq LIMIT 1") == "1NEWuser-eventsa"
    );
}

TEST_CASE("libpq transaction: outside a transaction the event is refused") {
    const Schema schema{true};
    const Libpq libpq{schema.options()};
    const Appender append;
    const auto refused = append(1, libpq.get());
    CHECK(refused.error() == Errc::invalid_request);
    CHECK(refused.error().detail == "no transaction is open");
    CHECK(libpq.execute(count_sql) == "0");
    CHECK(append(1, nullptr).error() == Errc::unavailable);
}

TEST_CASE("libpq transaction: a state in which it could do harm is refused") {
    const Schema schema{true};
    const Libpq libpq{schema.options()};
    const Appender append;
    const auto refusal = [&] { return append(1, libpq.get()).error(); };

    libpq.execute("BEGIN");
    libpq.execute("SELECT 1/0");
    CHECK(refusal().detail == "the transaction has failed");
    libpq.execute("ROLLBACK");

    libpq.execute("BEGIN");
    libpq.execute("SET client_encoding = 'LATIN1'");
    CHECK(refusal().detail == "client_encoding: is LATIN1, not UTF8");
    libpq.execute("SET client_encoding = 'UTF8'");

    REQUIRE(PQsendQuery(libpq.get(), "SELECT 1") == 1);
    CHECK(refusal().detail == "a command is under way");
    while (PGresult* result = PQgetResult(libpq.get())) PQclear(result);

    REQUIRE(PQenterPipelineMode(libpq.get()) == 1);
    CHECK(refusal().detail == "the connection is in pipeline mode");
    REQUIRE(PQexitPipelineMode(libpq.get()) == 1);

    REQUIRE(ok(append(1, libpq.get())));
    libpq.execute("ROLLBACK");
}

TEST_CASE("libpq transaction: the server's refusal and a broken connection are reported"
) {
    const Schema schema{true};
    const Libpq libpq{schema.options()};
    const Appender append;
    libpq.execute("BEGIN");
    REQUIRE(ok(append(1, libpq.get())));
    CHECK(append(1, libpq.get()).error() == Errc::already_exists);
    CHECK(PQtransactionStatus(libpq.get()) == PQTRANS_INERROR);
    libpq.execute("ROLLBACK");

    libpq.execute("BEGIN");
    const Libpq other{schema.options()};
    const auto pid = std::to_string(PQbackendPID(libpq.get()));
    CHECK(other.execute(("SELECT pg_terminate_backend(" + pid + ")").c_str()) == "t");
    CHECK(append(1, libpq.get()).error() == Errc::connection_lost);
    CHECK(append(1, libpq.get()).error() == Errc::unavailable);
}
