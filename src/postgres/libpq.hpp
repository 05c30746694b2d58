// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_LIBPQ_HPP
#define RESILIENCE_SRC_POSTGRES_LIBPQ_HPP

#include <resilience/asio/result.hpp>
#include <resilience/postgres/rows.hpp>

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>

namespace resilience::postgres {

struct ResultDeleter {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

/// Makes @ref Rows from what libpq gave.
struct RowsAccess {
    static Rows make(ResultPtr result) {
        Rows rows;
        rows.result_ = std::shared_ptr<const pg_result>(std::move(result));
        return rows;
    }
};

inline bool succeeded(const PGresult* result) noexcept {
    const auto status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
           status == PGRES_EMPTY_QUERY;
}

/// The failure that `result` reports. The server's DETAIL is left out: it quotes values.
Failure failure_of(const PGresult* result, const PGconn* connection);

/// Whether the server ended the session with this result.
bool ended_session(const PGresult* result) noexcept;

/// What libpq says of the connection, on one line.
std::string message_of(const PGconn* connection);

}  // namespace resilience::postgres

#endif
