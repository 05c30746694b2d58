// SPDX-License-Identifier: MIT
#include "libpq.hpp"

#include <resilience/postgres/sqlstate.hpp>

namespace resilience::postgres {
namespace {

std::string_view field(const PGresult* result, int code) noexcept {
    const char* text = PQresultErrorField(result, code);
    return text ? text : "";
}

}  // namespace

std::string message_of(const PGconn* connection) {
    std::string text = PQerrorMessage(connection);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    for (char& c : text) {
        if (c == '\n' || c == '\t') c = ' ';
    }
    return text;
}

bool ended_session(const PGresult* result) noexcept {
    const auto severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == "FATAL" || severity == "PANIC";
}

Failure failure_of(const PGresult* result, const PGconn* connection) {
    const auto state = field(result, PG_DIAG_SQLSTATE);
    if (state.empty()) {
        // libpq itself speaks: the connection broke, or the call was wrong.
        const bool lost = PQstatus(connection) == CONNECTION_BAD;
        return fail(
            lost ? Errc::connection_lost : Errc::protocol_error, message_of(connection)
        );
    }
    auto code = errc_of_sqlstate(state);
    if (ended_session(result)) code = Errc::connection_lost;
    std::string detail{field(result, PG_DIAG_MESSAGE_PRIMARY)};
    detail.append(" (SQLSTATE ").append(state).append(")");
    return fail(code, std::move(detail));
}

}  // namespace resilience::postgres
