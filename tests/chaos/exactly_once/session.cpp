// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/session.hpp>

namespace resilience::e2e {
namespace {

struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
};

}  // namespace

Session::Session(const std::string& conninfo)
    : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
        throw SessionError(PQerrorMessage(connection_.get()));
    }
    // Notices of a server that goes down are no news here.
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr
    );
}

std::vector<Session::Row> Session::run(
    const std::string& statement, const std::vector<std::string>& arguments
) {
    std::vector<const char*> values;
    for (const auto& argument : arguments) values.push_back(argument.c_str());
    const std::unique_ptr<PGresult, Clear> result{PQexecParams(
        connection_.get(),
        statement.c_str(),
        static_cast<int>(values.size()),
        nullptr,
        values.data(),
        nullptr,
        nullptr,
        0
    )};
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        throw SessionError(statement + ": " + PQerrorMessage(connection_.get()));
    }
    std::vector<Row> rows(static_cast<std::size_t>(PQntuples(result.get())));
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (int column = 0; column < PQnfields(result.get()); ++column) {
            rows[row].emplace_back(
                PQgetvalue(result.get(), static_cast<int>(row), column),
                static_cast<std::size_t>(
                    PQgetlength(result.get(), static_cast<int>(row), column)
                )
            );
        }
    }
    return rows;
}

std::string Session::value(
    const std::string& statement, const std::vector<std::string>& arguments
) {
    return run(statement, arguments).at(0).at(0);
}

}  // namespace resilience::e2e
