// SPDX-License-Identifier: MIT
#include "session_batch.hpp"

#include <utility>

namespace resilience::postgres {
namespace {

/// Parameters in the form that libpq takes; points into the statement.
struct Arguments {
    explicit Arguments(const std::vector<Parameter>& parameters) {
        for (const auto& parameter : parameters) {
            const auto& value = parameter.value();
            values.push_back(value ? value->c_str() : nullptr);
            lengths.push_back(value ? static_cast<int>(value->size()) : 0);
            formats.push_back(parameter.is_binary() ? 1 : 0);
        }
    }
    int count() const noexcept { return static_cast<int>(values.size()); }

    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
};

// libpq would cut a text at a NUL without a word.
std::optional<Failure> check(const Statement& statement) {
    constexpr std::size_t most_parameters = 65535;
    constexpr std::size_t most_bytes = 1 << 30;
    if (statement.sql.find('\0') != std::string::npos) {
        return fail(Errc::invalid_request, "the statement holds a NUL");
    }
    if (statement.parameters.size() > most_parameters) {
        return fail(Errc::invalid_request, "more than 65535 parameters");
    }
    std::size_t number = 0;
    for (const auto& parameter : statement.parameters) {
        ++number;
        const auto& value = parameter.value();
        if (!value) continue;
        if (value->size() >= most_bytes) {
            return fail(
                Errc::too_large, "parameter " + std::to_string(number) + ": over 1 GiB"
            );
        }
        if (!parameter.is_binary() && value->find('\0') != std::string::npos) {
            return fail(
                Errc::invalid_request,
                "parameter " + std::to_string(number) + ": holds a NUL"
            );
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<Failure> Session::queue(
    const std::vector<Statement>& statements, Batch& batch
) {
    for (const auto& statement : statements) {
        if (auto failure = check(statement)) return failure;
    }
    if (PQenterPipelineMode(connection_) == 0) return lost(batch);

    // In a failed transaction the server would refuse this and all that follows it.
    const auto state = PQtransactionStatus(connection_);
    if (state == PQTRANS_IDLE || state == PQTRANS_INTRANS) {
        for (const auto& name : cache_.dropped()) {
            const auto sql = "DEALLOCATE " + name;
            if (PQsendQueryParams(
                    connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0
                ) == 0) {
                return lost(batch);
            }
            batch.items.push_back({Batch::Item::Kind::release, {}, name});
        }
    }
    for (const auto& statement : statements) {
        if (!queue_statement(statement, batch)) return lost(batch);
    }
    if (PQpipelineSync(connection_) == 0) return lost(batch);
    return std::nullopt;
}

bool Session::queue_statement(const Statement& statement, Batch& batch) {
    const Arguments arguments{statement.parameters};
    if (!cache_.enabled() || !statement.keep) {
        batch.items.push_back({Batch::Item::Kind::run, {}, {}});
        return PQsendQueryParams(
                   connection_,
                   statement.sql.c_str(),
                   arguments.count(),
                   nullptr,
                   arguments.values.data(),
                   arguments.lengths.data(),
                   arguments.formats.data(),
                   0
               ) != 0;
    }
    std::string name{cache_.find(statement.sql)};
    if (name.empty()) {
        auto& preparing = batch.preparing[statement.sql];
        if (preparing.empty()) {
            preparing = cache_.next_name();
            batch.items.push_back({Batch::Item::Kind::prepare, statement.sql, preparing});
            if (PQsendPrepare(
                    connection_, preparing.c_str(), statement.sql.c_str(), 0, nullptr
                ) == 0) {
                return false;
            }
        }
        name = preparing;
    }
    batch.items.push_back({Batch::Item::Kind::run, statement.sql, {}});
    return PQsendQueryPrepared(
               connection_,
               name.c_str(),
               arguments.count(),
               arguments.values.data(),
               arguments.lengths.data(),
               arguments.formats.data(),
               0
           ) != 0;
}

void Session::take(Batch& batch) {
    ResultPtr result{PQgetResult(connection_)};
    if (!result) {
        // Ends one item; the synchronisation point that ends them all has a result.
        if (batch.script) {
            batch.done = true;
        } else if (++batch.at > batch.items.size()) {
            batch.failure = fail(Errc::protocol_error, "an answer is missing");
            batch.broken = true;
        }
        return;
    }
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) {
        batch.done = true;
        return;
    }
    if (status == PGRES_PIPELINE_ABORTED) return;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
        status == PGRES_COPY_BOTH) {
        batch.failure = fail(Errc::invalid_request, "COPY is not supported");
        batch.broken = true;
        return;
    }
    static const Batch::Item of_script{Batch::Item::Kind::run, {}, {}};
    const bool known = !batch.script && batch.at < batch.items.size();
    const auto& item = known ? batch.items[batch.at] : of_script;
    if (!succeeded(result.get())) {
        const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
        const std::string sqlstate = state ? state : "";
        // The session lost the statement, or a change of the schema made it useless.
        if (sqlstate == "26000" || sqlstate == "0A000") {
            const std::string name{
                item.name.empty() ? cache_.find(item.sql) : std::string_view{item.name}};
            cache_.forget(item.sql);
            if (sqlstate == "26000") cache_.released(name);
        }
        if (!batch.failure) {
            batch.failure = failure_of(result.get(), connection_);
            batch.sqlstate = sqlstate;
        }
        if (sqlstate.empty() || ended_session(result.get())) batch.broken = true;
        return;
    }
    switch (item.kind) {
        case Batch::Item::Kind::prepare:
            cache_.add(item.sql, item.name);
            break;
        case Batch::Item::Kind::release:
            cache_.released(item.name);
            break;
        case Batch::Item::Kind::run:
            if (!batch.script) batch.rows.push_back(RowsAccess::make(std::move(result)));
            break;
    }
}

}  // namespace resilience::postgres
