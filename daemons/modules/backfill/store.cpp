// SPDX-License-Identifier: MIT
#include <modules/backfill/dialect.hpp>
#include <modules/backfill/store.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/execute.hpp>

#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/database.hpp>

#include <boost/json/parse.hpp>

#include <limits>
#include <utility>

namespace resilience::modules::backfill {
namespace {

// An empty bound is none.
std::optional<std::string> bound(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

std::vector<Header> headers_of(std::string_view text) {
    std::vector<Header> headers;
    boost::json::error_code ec;
    const auto value = boost::json::parse(text, ec);
    if (ec || !value.is_object()) return headers;
    for (const auto& [name, header] : value.get_object()) {
        if (header.is_string()) headers.emplace_back(name, header.get_string());
    }
    return headers;
}

template <class Row>
Result<Run> run_of(const Row& row) {
    const auto last = row.int64(1);
    const auto max = row.int64(2);
    const auto emitted = row.int64(3);
    if (!last || !max || !emitted) return fail(Errc::corrupt_data, "backfill_runs");
    return Run{
        .id = std::string(row.text(0)),
        .last_seq = *last,
        .max_seq = *max,
        .emitted = *emitted};
}

template <class Row>
Result<PastEvent> past_event_of(const Row& row) {
    const auto seq = row.int64(0);
    if (!seq) return seq.error();
    PastEvent past{.seq = *seq, .event = {}};
    past.event.id = row.text(1);
    past.event.aggregate_type = row.text(2);
    past.event.aggregate_id = row.text(3);
    past.event.event_type = row.text(4);
    past.event.event_data = row.text(5);
    past.event.topic = row.text(6);
    if (!row.is_null(7)) past.event.partition_key = std::string(row.text(7));
    past.event.headers = headers_of(row.text(8));
    return past;
}

template <class Rows>
Result<std::vector<Summary>> summaries_of(const Result<Rows>& rows) {
    if (!rows) return rows.error();
    std::vector<Summary> summaries;
    for (const auto& row : *rows) {
        const auto events = row.int64(1);
        if (!events) return events.error();
        summaries.push_back(
            {.event_type = std::string(row.text(0)),
             .events = *events,
             .first = std::string(row.text(2)),
             .last = std::string(row.text(3)),
             .first_key = std::string(row.text(4)),
             .last_key = std::string(row.text(5))}
        );
    }
    return summaries;
}

template <class Rows>
Result<std::int64_t> number_of(const Result<Rows>& rows) {
    if (!rows) return rows.error();
    if (rows->empty()) return fail(Errc::corrupt_data, "outbox_events");
    return (*rows)[0].int64(0);
}

template <class Executor>
net::awaitable<Result<std::int64_t>> look_ahead_with(
    Executor& executor,
    const Dialect& dialect,
    std::int64_t after,
    std::int64_t max_seq,
    std::int64_t rows
) {
    co_return number_of(
        co_await backing::execute(executor, dialect.look_ahead, after, max_seq, rows - 1)
    );
}

template <class Transaction>
class TablesIn final : public Tables {
public:
    TablesIn(Transaction& transaction, const Dialect& dialect)
        : transaction_(transaction), dialect_(dialect) {}

    net::awaitable<Result<std::optional<Run>>> find_run(std::string request) override {
        const auto rows =
            co_await backing::execute(transaction_, dialect_.find_run, request);
        if (!rows) co_return rows.error();
        if (rows->empty()) co_return std::optional<Run>{};
        auto run = run_of((*rows)[0]);
        if (!run) co_return run.error();
        co_return std::optional<Run>{std::move(*run)};
    }

    net::awaitable<Result<void>> insert_run(std::string request) override {
        const auto made =
            co_await backing::execute(transaction_, dialect_.insert_run, request);
        if (!made) co_return made.error();
        co_return Result<void>{};
    }

    net::awaitable<Result<std::int64_t>> look_ahead(
        std::int64_t after, std::int64_t max_seq, std::int64_t rows
    ) override {
        co_return co_await look_ahead_with(transaction_, dialect_, after, max_seq, rows);
    }

    net::awaitable<Result<std::vector<PastEvent>>> select_events(
        Range range, Request request, std::int64_t wanted
    ) override {
        const auto rows = co_await backing::execute(
            transaction_,
            dialect_.select_events,
            range.after,
            range.up_to,
            request.aggregate_type,
            bound(request.from),
            bound(request.to),
            wanted
        );
        if (!rows) co_return rows.error();
        std::vector<PastEvent> events;
        events.reserve(rows->size());
        for (const auto& row : *rows) {
            auto past = past_event_of(row);
            if (!past) co_return past.error();
            events.push_back(std::move(*past));
        }
        co_return events;
    }

    net::awaitable<Result<void>> append(OutboxRow row) override {
        Result<OutboxRow> checked{std::move(row)};
        const auto written = co_await append_row(transaction_, std::move(checked));
        if (!written) co_return written.error();
        co_return Result<void>{};
    }

    net::awaitable<Result<void>> save_run(Run run, bool finished) override {
        const auto saved = co_await backing::execute(
            transaction_,
            finished ? dialect_.finish_run : dialect_.move_run,
            run.last_seq,
            run.emitted,
            run.id
        );
        if (!saved) co_return saved.error();
        co_return Result<void>{};
    }

private:
    Transaction& transaction_;
    const Dialect& dialect_;
};

template <class Executor>
net::awaitable<Result<std::vector<Summary>>> summarise_with(
    Executor& executor, const Dialect& dialect, Request request
) {
    std::vector<Summary> all;
    auto left =
        request.limit > 0 ? request.limit : std::numeric_limits<std::int64_t>::max();
    const auto newest = number_of(co_await executor.async_execute(dialect.max_seq));
    if (!newest) co_return newest.error();
    for (std::int64_t after = 0; after < *newest && left > 0;) {
        const auto end =
            co_await look_ahead_with(executor, dialect, after, *newest, request.scan);
        if (!end) co_return end.error();
        auto range = summaries_of(co_await backing::execute(
            executor,
            dialect.summarise,
            after,
            *end,
            request.aggregate_type,
            bound(request.from),
            bound(request.to),
            left
        ));
        if (!range) co_return range.error();
        left -= add(all, std::move(*range));
        after = *end;
    }
    co_return all;
}

// What an adapter runs inside its transaction. `work` must outlive it.
template <class Transaction>
auto on_tables(const Store::Work& work, const Dialect& dialect) {
    return [&work, &dialect](Transaction& transaction) -> net::awaitable<Result<Chunk>> {
        TablesIn<Transaction> tables{transaction, dialect};
        co_return co_await work(tables);
    };
}

class PostgresStore final : public Store {
public:
    explicit PostgresStore(postgres::Pool& pool) : pool_(pool) {}

    net::awaitable<Result<Chunk>> in_transaction(Work work) override {
        const auto inside = on_tables<postgres::Transaction>(work, postgres_dialect);
        co_return co_await postgres::with_transaction(pool_, inside);
    }

    net::awaitable<Result<std::vector<Summary>>> summarise(Request request) override {
        auto connection = co_await pool_.async_acquire();
        if (!connection) co_return connection.error();
        co_return co_await summarise_with(
            **connection, postgres_dialect, std::move(request)
        );
    }

private:
    postgres::Pool& pool_;
};

class SqliteStore final : public Store {
public:
    explicit SqliteStore(sqlite::Database& database) : database_(database) {}

    net::awaitable<Result<Chunk>> in_transaction(Work work) override {
        const auto inside = on_tables<sqlite::Transaction>(work, sqlite_dialect);
        co_return co_await sqlite::with_transaction(database_, inside);
    }

    net::awaitable<Result<std::vector<Summary>>> summarise(Request request) override {
        co_return co_await summarise_with(database_, sqlite_dialect, std::move(request));
    }

private:
    sqlite::Database& database_;
};

}  // namespace

std::unique_ptr<Store> make_store(backing::Database& database) {
    if (auto* pool = database.postgres()) return std::make_unique<PostgresStore>(*pool);
    return std::make_unique<SqliteStore>(*database.sqlite());
}

}  // namespace resilience::modules::backfill
