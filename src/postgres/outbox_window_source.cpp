// SPDX-License-Identifier: MIT
#include <resilience/postgres/outbox_window_source.hpp>

#include "claim_barrier.hpp"
#include "outbox_sql.hpp"
#include "snapshot_text.hpp"
#include "source_identity.hpp"
#include "window_reader.hpp"

#include <resilience/postgres/connection.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace resilience::postgres {
namespace {

constexpr std::size_t most_rows = 100'000;

Statement once(std::string_view text, std::vector<Parameter> values = {}) {
    return {std::string{text}, std::move(values)};
}

}  // namespace

struct OutboxWindowSource::Impl {
    net::any_io_executor executor;
    OutboxWindowSourceOptions options;
    std::vector<Connection> unused;
    std::size_t in_use = 0;
    std::optional<SourceIdentity> followed;
    // How far the history is known to have come.
    std::uint64_t reached = 0;
    // What cannot be lost: by the last look, by a gate.
    Lsn flushed;
    Lsn passed;
    // The last look that others are told of, and when it began.
    std::optional<Window> seen;
    TimePoint looked_at;

    std::optional<WindowReader> reader;

    // Counts an operation that has a connection.
    struct Use {
        explicit Use(std::size_t& counter) : count(counter) { ++count; }
        ~Use() { --count; }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        std::size_t& count;
    };

    // A server that has gone may come back with less than it showed.
    void forget() {
        unused.clear();
        reached = 0;
        flushed = {};
        seen.reset();
    }

    net::awaitable<Result<Connection>> connect() {
        Connection connection{executor, options.connection};
        const auto opened = co_await connection.async_connect(net::use_awaitable);
        if (!opened) co_return opened.error();
        std::vector<Statement> statements;
        statements.push_back(once(sql::window_session));
        statements.push_back(once(sql::window_identity));
        statements.push_back(once(sql::window_barrier));
        const auto rows =
            co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
        if (!rows) co_return rows.error();
        const auto barred = read_barrier(rows->back()[0]);
        if (!barred) co_return barred.error();
        const auto found = read_identity((*rows)[1][0]);
        if (!found) co_return found.error();
        if (followed) {
            if (auto failure = compare(*followed, *found)) co_return std::move(*failure);
        }
        followed = *found;
        co_return std::move(connection);
    }

    // Runs the statements in one round trip, on a connection that follows the history;
    // `warned` tells whether the server had doubts.
    net::awaitable<Result<std::vector<Rows>>> ask(
        std::vector<Statement> statements, bool* warned = nullptr
    ) {
        if (in_use >= options.max_connections) {
            co_return fail(
                Errc::queue_full,
                "max_connections: " + std::to_string(in_use) + " operations are under way"
            );
        }
        const Use use{in_use};
        std::optional<Connection> connection;
        if (unused.empty()) {
            auto made = co_await connect();
            if (!made) {
                forget();
                co_return std::move(made).error();
            }
            connection.emplace(std::move(*made));
        } else {
            connection.emplace(std::move(unused.back()));
            unused.pop_back();
        }
        const auto warnings = connection->warnings();
        auto rows = co_await connection->async_pipeline(
            std::move(statements), net::use_awaitable
        );
        if (!rows) {
            forget();
            co_return std::move(rows).error();
        }
        if (warned) *warned = connection->warnings() != warnings;
        unused.push_back(std::move(*connection));
        co_return std::move(*rows);
    }

    net::awaitable<Result<Rows>> ask_once(Statement statement) {
        std::vector<Statement> statements;
        statements.push_back(std::move(statement));
        auto rows = co_await ask(std::move(statements));
        if (!rows) co_return std::move(rows).error();
        co_return std::move(rows->front());
    }

    // What the last look saw is seen again, if another source has just seen it.
    net::awaitable<Result<Window>> look_or_share() {
        const auto& shared = options.shared_look;
        const auto now = Clock::now();
        if (shared && seen && shared->is_unchanged(seen->snapshot, looked_at, now)) {
            co_return *seen;
        }
        auto window = co_await look();
        if (window && shared) {
            shared->saw(window->snapshot, now);
            seen = *window;
            looked_at = now;
        }
        co_return std::move(window);
    }

    net::awaitable<Result<Window>> look() {
        const auto rows = co_await ask_once(once(sql::window_look));
        if (!rows) co_return rows.error();
        const auto row = (*rows)[0];
        const auto table = row.int64(4);
        if (!table) co_return table.error();
        if (followed->table != *table) {
            auto found = *followed;
            found.table = static_cast<std::uint32_t>(*table);
            co_return std::move(*compare(*followed, found));
        }
        Window window{std::string{row.text(0)}, {}, {}};
        const auto end = end_of_snapshot(window.snapshot);
        if (!end) co_return fail(Errc::protocol_error, "pg_current_snapshot");
        const auto insert = read_lsn(row, 1);
        if (!insert) co_return insert.error();
        const auto on_disk = read_lsn(row, 2);
        if (!on_disk) co_return on_disk.error();
        window.insert = *insert;
        window.flushed = *on_disk;
        const auto waits_for_standby = row.boolean(3);
        if (!waits_for_standby) co_return waits_for_standby.error();
        reached = std::max(reached, *end);
        flushed = *waits_for_standby ? Lsn{} : *on_disk;
        co_return window;
    }

    // Refuses a snapshot that the history has not come to (I11).
    net::awaitable<Result<void>> check_reached(std::uint64_t end) {
        if (end > reached) {
            const auto window = co_await look();
            if (!window) co_return window.error();
        }
        if (end > reached) {
            co_return history_changed(
                "a snapshot up to transaction " + std::to_string(end) +
                " is asked for, but the server has only come to " +
                std::to_string(reached)
            );
        }
        co_return Result<void>{};
    }
};

OutboxWindowSource::OutboxWindowSource(
    net::any_io_executor executor, OutboxWindowSourceOptions options
) {
    if (options.max_connections < 1) {
        throw std::invalid_argument("max_connections: must be at least 1");
    }
    if (options.most_sorted < 1 || options.most_sorted > 1'000'000) {
        throw std::invalid_argument("most_sorted: must be 1 to 1,000,000");
    }
    // Names the option of the connection that is out of range.
    const Connection checked{executor, options.connection};
    impl_ = std::make_unique<Impl>();
    impl_->executor = std::move(executor);
    impl_->options = std::move(options);
    impl_->reader.emplace(
        impl_->options.most_sorted,
        [impl = impl_.get()](Statement statement) {
            return impl->ask_once(std::move(statement));
        }
    );
}

OutboxWindowSource::~OutboxWindowSource() = default;

net::awaitable<Result<SourceIdentity>> OutboxWindowSource::identity() {
    // A connection that is open is no answer of the server's: it may have gone.
    const auto rows = co_await impl_->ask_once(once(sql::window_identity));
    if (!rows) co_return rows.error();
    const auto found = read_identity((*rows)[0]);
    if (!found) co_return found.error();
    if (auto failure = compare(*impl_->followed, *found)) co_return std::move(*failure);
    co_return *found;
}

net::awaitable<Result<Window>> OutboxWindowSource::look() {
    return impl_->look_or_share();
}

net::awaitable<Result<void>> OutboxWindowSource::gate(Lsn lsn) {
    if (lsn <= std::max(impl_->flushed, impl_->passed)) co_return Result<void>{};
    std::vector<Statement> statements;
    statements.push_back(once("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
    statements.push_back(once(sql::window_gate_durably));
    statements.push_back(once(sql::window_gate));
    statements.push_back(once("COMMIT"));
    bool warned = false;
    const auto rows = co_await impl_->ask(std::move(statements), &warned);
    if (!rows) co_return rows.error();
    if (warned) {
        co_return fail(
            Errc::timed_out_in_doubt, "no standby has confirmed the log in time"
        );
    }
    const auto reached = read_lsn((*rows)[2][0], 0);
    if (!reached) co_return reached.error();
    if (*reached < lsn) {
        co_return history_changed("the log ends before the place that is asked for");
    }
    impl_->passed = std::max(impl_->passed, lsn);
    co_return Result<void>{};
}

net::awaitable<Result<std::vector<WindowEvent>>> OutboxWindowSource::read(
    const WindowSlice& slice
) {
    const auto wrong = [](const char* what) { return fail(Errc::invalid_request, what); };
    if (slice.lane < 0 || slice.lane > std::numeric_limits<std::int16_t>::max()) {
        co_return wrong("lane: must be 0 to 32,767");
    }
    if (slice.last_seq < 0) co_return wrong("last_seq: must not be negative");
    if (slice.limit < 1 || slice.limit > most_rows) {
        co_return wrong("limit: must be 1 to 100,000");
    }
    if (slice.bytes < 1 || slice.bytes > std::numeric_limits<std::int64_t>::max()) {
        co_return wrong("bytes: must be positive");
    }
    const auto begin = slice.seen.empty() ? std::optional<std::uint64_t>{1}
                                          : end_of_snapshot(slice.seen);
    if (!begin) co_return wrong("seen: is no snapshot");
    if (slice.seen == slice.window) co_return Events{};
    const auto end = end_of_snapshot(slice.window);
    if (!end) co_return wrong("window: is no snapshot");
    if (*begin > *end) co_return wrong("window: is earlier than seen");
    const auto known = co_await impl_->check_reached(*end);
    if (!known) co_return known.error();

    auto events = co_await impl_->reader->read(slice);
    co_return events;
}

}  // namespace resilience::postgres
