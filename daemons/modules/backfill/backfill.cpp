// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backfill/backfill.hpp>
#include <modules/backfill/dialect.hpp>
#include <modules/backing/execute.hpp>
#include <modules/backing/run.hpp>

#include <resilience/detail/rfc3339.hpp>
#include <resilience/outbox.hpp>
#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/database.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

namespace resilience::modules::backfill {
namespace {

// Names the original; its presence keeps a copy from being copied.
constexpr const char* original_header = "backfill-of";

// A run of the same request that has not finished is the one to go on with.
std::string fingerprint(const Request& request) {
    return "aggregate-type=" + request.aggregate_type + " topic=" + request.topic +
           " from=" + request.from + " to=" + request.to +
           " limit=" + std::to_string(request.limit);
}

struct Run {
    std::string id;
    std::int64_t last_seq = 0;
    std::int64_t max_seq = 0;
    std::int64_t emitted = 0;
    std::int64_t copied = 0;  // by this process, in this chunk
    bool resumed = false;
    bool finished = false;
};

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

// A row of Dialect::select_events.
template <class Row>
Event copy_of(const Row& row, const Request& request) {
    Event event{
        .aggregate_type = std::string(row.text(2)),
        .aggregate_id = std::string(row.text(3)),
        .event_type = std::string(row.text(4)),
        .event_data = std::string(row.text(5)),
        .topic = request.topic.empty() ? std::string(row.text(6)) : request.topic,
        .headers = headers_of(row.text(8)),
    };
    if (!row.is_null(7)) event.partition_key = std::string(row.text(7));
    event.headers.emplace_back(original_header, std::string(row.text(1)));
    return event;
}

// The bounds that select_events and summarise take.
std::optional<std::string> bound(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

template <class Rows>
Result<Run> read_run(const Rows& rows) {
    const auto row = rows[0];
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

// The open run of the request, which is made if there is none; unless it is `known`: then
// its absence says that another process has finished it.
template <class Transaction>
net::awaitable<Result<Run>> open_run(
    Transaction& transaction,
    const Dialect& dialect,
    const Request& request,
    const std::string& known
) {
    auto rows =
        co_await backing::execute(transaction, dialect.find_run, fingerprint(request));
    if (!rows) co_return rows.error();
    const bool resumed = !rows->empty();
    if (known.empty() && !resumed) {
        auto made = co_await backing::execute(
            transaction, dialect.insert_run, fingerprint(request)
        );
        if (!made) co_return made.error();
        rows = co_await backing::execute(
            transaction, dialect.find_run, fingerprint(request)
        );
        if (!rows) co_return rows.error();
    }
    if (rows->empty()) co_return Run{.id = known, .finished = true};
    auto run = read_run(*rows);
    if (!run) co_return run;
    if (!known.empty() && run->id != known) co_return Run{.id = known, .finished = true};
    run->resumed = resumed;
    co_return run;
}

// Copies the next chunk and moves the position with it, in the transaction of the caller.
template <class Transaction>
net::awaitable<Result<Run>> copy_chunk(
    Transaction& transaction,
    const Dialect& dialect,
    const Request& request,
    const Outbox& outbox,
    const std::string& known
) {
    auto run = co_await open_run(transaction, dialect, request, known);
    if (!run || run->finished) co_return run;
    std::int64_t wanted = request.chunk;
    if (request.limit > 0) wanted = std::min(wanted, request.limit - run->emitted);
    auto rows = co_await backing::execute(
        transaction,
        dialect.select_events,
        run->last_seq,
        run->max_seq,
        request.aggregate_type,
        bound(request.from),
        bound(request.to),
        wanted
    );
    if (!rows) co_return rows.error();
    for (const auto& row : *rows) {
        const auto seq = row.int64(0);
        if (!seq) co_return seq.error();
        run->last_seq = *seq;
        auto copy = outbox.prepare(copy_of(row, request));
        if (!copy) {
            // Written by hand, perhaps; it must not hold up those behind it.
            std::printf(
                "%s left out: %s\n",
                std::string(row.text(1)).c_str(),
                copy.error().message().c_str()
            );
            continue;
        }
        auto written = co_await append_row(transaction, std::move(copy));
        if (!written) co_return written.error();
        ++run->emitted;
        ++run->copied;
    }
    run->finished = static_cast<std::int64_t>(rows->size()) < wanted ||
                    (request.limit > 0 && run->emitted >= request.limit);
    auto moved = co_await backing::execute(
        transaction,
        run->finished ? dialect.finish_run : dialect.move_run,
        run->last_seq,
        run->emitted,
        run->id
    );
    if (!moved) co_return moved.error();
    co_return run;
}

// Runs `work` in a transaction of whichever database there is.
template <class Work>
net::awaitable<Result<Run>> in_transaction(backing::Database& database, Work work) {
    if (auto* pool = database.postgres()) {
        co_return co_await postgres::with_transaction(
            *pool,
            [&](postgres::Transaction& transaction) {
                return work(transaction, postgres_dialect);
            }
        );
    }
    co_return co_await sqlite::with_transaction(
        *database.sqlite(),
        [&](sqlite::Transaction& transaction) {
            return work(transaction, sqlite_dialect);
        }
    );
}

net::awaitable<Result<void>> copy_all(
    Request request, backing::Database& database, Outbox outbox
) {
    std::string known;
    std::int64_t copied = 0;
    for (;;) {
        const auto run = co_await in_transaction(
            database,
            [&](auto& transaction, const Dialect& dialect) {
                return copy_chunk(transaction, dialect, request, outbox, known);
            }
        );
        if (!run) co_return run.error();
        if (known.empty() && run->resumed) {
            std::printf("going on with a run that had not finished\n");
        }
        known = run->id;
        copied += run->copied;
        if (run->max_seq > 0) {
            std::printf(
                "%lld events written, position %lld of %lld\n",
                static_cast<long long>(run->emitted),
                static_cast<long long>(run->last_seq),
                static_cast<long long>(run->max_seq)
            );
            std::fflush(stdout);
        }
        if (run->finished) {
            std::printf("done: %lld events\n", static_cast<long long>(copied));
            co_return Result<void>{};
        }
    }
}

template <class Rows>
Result<void> print_summary(const Result<Rows>& rows) {
    if (!rows) return rows.error();
    long long total = 0;
    for (const auto& row : *rows) {
        const auto number = row.int64(1);
        if (!number) return number.error();
        total += *number;
        std::printf(
            "%s: %lld events from %s to %s\n",
            std::string(row.text(0)).c_str(),
            static_cast<long long>(*number),
            std::string(row.text(2)).c_str(),
            std::string(row.text(3)).c_str()
        );
    }
    std::printf("dry run: %lld events would be written, none was\n", total);
    return {};
}

net::awaitable<Result<void>> summarise(Request request, backing::Database& database) {
    constexpr auto no_limit = std::numeric_limits<std::int64_t>::max();
    const auto limit = request.limit > 0 ? request.limit : no_limit;
    if (auto* pool = database.postgres()) {
        auto connection = co_await pool->async_acquire();
        if (!connection) co_return connection.error();
        co_return print_summary(co_await backing::execute(
            **connection,
            postgres_dialect.summarise,
            0,
            no_limit,
            request.aggregate_type,
            bound(request.from),
            bound(request.to),
            limit
        ));
    }
    co_return print_summary(co_await backing::execute(
        *database.sqlite(),
        sqlite_dialect.summarise,
        0,
        no_limit,
        request.aggregate_type,
        bound(request.from),
        bound(request.to),
        limit
    ));
}

net::awaitable<Result<void>> work_on(
    backing::Database& database, Request request, Outbox outbox
) {
    // Says what to do when the tables are missing.
    auto ready = co_await database.ping();
    if (!ready) co_return ready.error();
    if (request.dry_run) co_return co_await summarise(std::move(request), database);
    co_return co_await copy_all(std::move(request), database, std::move(outbox));
}

// Brings a bound to the form that rows have, so that texts compare as moments do.
bool normalise(std::string& text) {
    if (text.empty()) return true;
    const auto time = detail::parse_rfc3339(text);
    if (time) text = detail::format_rfc3339(*time);
    return time.has_value();
}

// The sentence about what is wrong with the request, whose bounds it normalises; or null.
const char* mistake_in(Request& request) {
    if (request.aggregate_type.empty()) return "--aggregate-type: is required";
    if (!normalise(request.from)) return "--from: must be like 2026-01-31T00:00:00Z";
    if (!normalise(request.to)) return "--to: must be like 2026-01-31T00:00:00Z";
    const bool bounded = !request.from.empty() && !request.to.empty();
    // Normalised, they are texts that compare as moments do.
    if (bounded && request.from >= request.to) return "--from: must be before --to";
    return nullptr;
}

}  // namespace

void declare(host::Config& config, Request& request) {
    config.flag(
        "--dry-run", request.dry_run, "Show what would be written and write nothing"
    );
    config.string(
        "--aggregate-type", request.aggregate_type, "Kind of aggregate, such as user"
    );
    config.topic(
        "--topic", request.topic, "Topic of the copies; default that of the original"
    );
    config.string("--from", request.from, "First moment, such as 2026-01-31T00:00:00Z");
    config.string("--to", request.to, "Moment after the last, in the same form");
    config.integer(
        "--limit",
        request.limit,
        0,
        std::numeric_limits<std::int64_t>::max(),
        "Events at most; 0 for all"
    );
    config.integer(
        "--chunk", request.chunk, 1, 10'000, "Events written in one transaction"
    );
}

int run(
    Request request,
    const backing::DatabaseSettings& settings,
    const OutboxOptions& options
) {
    if (const char* mistake = mistake_in(request)) {
        std::fprintf(stderr, "backfill: %s\n", mistake);
        return 2;
    }
    const Outbox outbox{options};
    return backing::run_to_end("backfill", settings, [&](backing::Database& database) {
        return work_on(database, request, outbox);
    });
}

}  // namespace resilience::modules::backfill
