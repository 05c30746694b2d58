// SPDX-License-Identifier: MIT
// Writes an event into a libpq transaction that the program already has.
//
// Run:    eval "$(scripts/services env)"; example_outbox_in_libpq
// Prints: that the event is there if, and only if, the user is.
//
// Its tables live in the session alone, so nothing stays behind; in a real database
// `migrate up` makes them and the relay delivers what is committed.
#include <resilience/outbox.hpp>
#include <resilience/postgres/libpq_transaction.hpp>

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>  // Debian
#endif

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

constexpr const char* tables = R"(
    CREATE TEMP TABLE users (id text PRIMARY KEY, email text UNIQUE);
    CREATE TEMP TABLE outbox_events (
        id uuid PRIMARY KEY, aggregate_type text, aggregate_id text, event_type text,
        event_data jsonb, status text DEFAULT 'NEW', topic text, partition_key text,
        created_at timestamptz, max_retries integer, lane smallint, headers jsonb))";

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Connection connect() {
    const std::string names[] = {
        setting("DB_HOST"),
        setting("DB_PORT"),
        setting("DB_USER"),
        setting("DB_PASSWORD"),
        setting("DB_NAME")};
    Connection connection{
        PQsetdbLogin(
            names[0].c_str(),
            names[1].c_str(),
            "-cclient_min_messages=warning",
            nullptr,
            names[4].c_str(),
            names[2].c_str(),
            names[3].c_str()
        ),
        PQfinish};
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        throw std::runtime_error(PQerrorMessage(connection.get()));
    }
    return connection;
}

// The value that `sql` yields, if any. Throws when the server refuses it.
std::string execute(PGconn* connection, const char* sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{
        PQexec(connection, sql), PQclear};
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        throw std::runtime_error(PQerrorMessage(connection));
    }
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

void print_counts(PGconn* connection, const char* when) {
    std::cout << when << ": " << execute(connection, "SELECT count(*) FROM users")
              << " users, " << execute(connection, "SELECT count(*) FROM outbox_events")
              << " events\n";
}

}  // namespace

int main() try {
    const auto connection = connect();
    execute(connection.get(), tables);
    const resilience::Outbox outbox;
    resilience::postgres::LibpqTransaction transaction{connection.get()};

    resilience::Event event;
    event.aggregate_type = "user";
    event.aggregate_id = "ada";
    event.event_type = "user.created";
    event.event_data = R"({"email":"ada@example.com"})";

    // Outside a transaction there is nothing that the event could belong to.
    const auto refused = outbox.append(transaction, event);
    std::cout << "without BEGIN: " << refused.error().message() << '\n';

    for (const char* end : {"ROLLBACK", "COMMIT"}) {
        execute(connection.get(), "BEGIN");
        execute(connection.get(), "INSERT INTO users VALUES ('ada', 'ada@example.com')");
        const auto id = outbox.append(transaction, event);
        if (!id) throw std::runtime_error(id.error().message());
        execute(connection.get(), end);
        print_counts(connection.get(), end);
    }
    std::cout << execute(
                     connection.get(),
                     "SELECT event_type || ' of ' || partition_key || ' for ' || topic "
                     "FROM outbox_events"
                 )
              << '\n';
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
}
