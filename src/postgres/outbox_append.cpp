// SPDX-License-Identifier: MIT
#include <resilience/postgres/libpq_transaction.hpp>
#include <resilience/postgres/transaction.hpp>

#include "libpq.hpp"
#include "timestamp.hpp"

namespace resilience::postgres {
namespace {

constexpr const char* insert_sql =
    "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
    "event_data, "
    "topic, partition_key, created_at, max_retries, lane, headers) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

std::vector<Parameter> values_of(OutboxRow row) {
    auto& event = row.event;
    return parameters(
        std::move(event.id),
        std::move(event.aggregate_type),
        std::move(event.aggregate_id),
        std::move(event.event_type),
        std::move(event.event_data),
        std::move(event.topic),
        event.partition_key,
        to_timestamp(*event.created_at),
        *event.max_retries,
        row.lane,
        std::move(row.headers_json)
    );
}

// Why nothing can be written into what is open on `connection`, if so.
std::optional<Failure> refuse(const PGconn* connection) {
    if (!connection || PQstatus(connection) != CONNECTION_OK) {
        return fail(Errc::unavailable, "the connection is not open");
    }
    if (PQpipelineStatus(connection) != PQ_PIPELINE_OFF) {
        return fail(Errc::invalid_request, "the connection is in pipeline mode");
    }
    switch (PQtransactionStatus(connection)) {
        case PQTRANS_INTRANS:
            break;
        case PQTRANS_IDLE:
            return fail(Errc::invalid_request, "no transaction is open");
        case PQTRANS_INERROR:
            return fail(Errc::invalid_request, "the transaction has failed");
        case PQTRANS_ACTIVE:
            return fail(Errc::invalid_request, "a command is under way");
        case PQTRANS_UNKNOWN:
            return fail(Errc::unavailable, "the connection is not open");
    }
    const char* encoding = PQparameterStatus(connection, "client_encoding");
    const std::string_view name = encoding ? encoding : "";
    if (name != "UTF8" && name != "SQL_ASCII") {
        return fail(
            Errc::invalid_request,
            "client_encoding: is " + std::string{name} + ", not UTF8"
        );
    }
    return std::nullopt;
}

}  // namespace

net::awaitable<Result<Uuid>> append_row(Transaction& transaction, Result<OutboxRow> row) {
    if (!row) co_return std::move(row).error();
    const auto id = Uuid::parse(row->event.id);
    if (!id) co_return fail(Errc::invalid_request, "id: is not a UUID");
    auto written =
        co_await transaction.async_execute(insert_sql, values_of(std::move(*row)));
    if (!written) co_return std::move(written).error();
    co_return *id;
}

Result<Uuid> append_row(LibpqTransaction& transaction, Result<OutboxRow> row) {
    if (!row) return std::move(row).error();
    const auto id = Uuid::parse(row->event.id);
    if (!id) return fail(Errc::invalid_request, "id: is not a UUID");
    auto* const connection = transaction.connection;
    if (auto failure = refuse(connection)) return std::move(*failure);

    const auto values = values_of(std::move(*row));
    std::vector<const char*> texts;
    for (const auto& value : values) {
        texts.push_back(value.value() ? value.value()->c_str() : nullptr);
    }
    const ResultPtr result{PQexecParams(
        connection,
        insert_sql,
        static_cast<int>(texts.size()),
        nullptr,
        texts.data(),
        nullptr,
        nullptr,
        0
    )};
    if (!result) return fail(Errc::connection_lost, message_of(connection));
    if (!succeeded(result.get())) return failure_of(result.get(), connection);
    return *id;
}

}  // namespace resilience::postgres
