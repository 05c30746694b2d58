// SPDX-License-Identifier: MIT
#include <resilience/sqlite/transaction.hpp>

#include <resilience/detail/rfc3339.hpp>

#include "worker.hpp"

#include <utility>

namespace resilience::sqlite {

Transaction::Transaction(WorkerPointer worker, StatePointer state) noexcept
    : worker_(std::move(worker)), state_(std::move(state)) {}

Transaction::~Transaction() {
    if (worker_) worker_->abandon(state_);
}

void Transaction::begin(const WorkerPointer& worker, Handler<Transaction> handler) {
    worker->submit<Transaction>(std::move(handler), [w = worker.get()](auto& self) {
        return w->begin(self);
    });
}

void Transaction::execute(
    const WorkerPointer& worker,
    const StatePointer& state,
    std::string sql,
    std::vector<Parameter> parameters,
    Handler<Rows> handler
) {
    worker->submit<Rows>(
        std::move(handler),
        [w = worker.get(), sql = std::move(sql), values = std::move(parameters)](
            auto& self
        ) { return w->execute(self, sql, values); },
        state
    );
}

void Transaction::run_script(
    const WorkerPointer& worker,
    const StatePointer& state,
    std::string sql,
    Handler<void> handler
) {
    worker->submit<void>(
        std::move(handler),
        [w = worker.get(), sql = std::move(sql)](auto& self) {
            return w->run_script(self, sql);
        },
        state
    );
}

void Transaction::finish(
    const WorkerPointer& worker,
    const StatePointer& state,
    bool commit,
    Handler<void> handler
) {
    worker->submit<void>(
        std::move(handler),
        [w = worker.get(), commit](auto& self) { return w->finish(self, commit); },
        state
    );
}

net::awaitable<Result<Uuid>> append_row(Transaction& transaction, Result<OutboxRow> row) {
    if (!row) co_return row.error();
    const auto& event = row->event;
    const auto id = Uuid::parse(event.id);
    if (!id) co_return fail(Errc::invalid_request, "id: is not a UUID");
    auto values = parameters(
        event.id,
        event.aggregate_type,
        event.aggregate_id,
        event.event_type,
        event.event_data,
        event.topic,
        event.partition_key,
        resilience::detail::format_rfc3339(*event.created_at),
        event.max_retries,
        row->lane,
        row->headers_json
    );
    auto inserted = co_await transaction.async_execute(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type,"
        " event_data, topic, partition_key, created_at, max_retries, lane, headers)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        std::move(values)
    );
    if (!inserted) co_return inserted.error();
    co_return *id;
}

}  // namespace resilience::sqlite
