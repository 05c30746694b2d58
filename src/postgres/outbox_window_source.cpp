// SPDX-License-Identifier: MIT
#include <resilience/postgres/outbox_window_source.hpp>

#include "claim_barrier.hpp"
#include "outbox_sql.hpp"
#include "snapshot_text.hpp"
#include "source_identity.hpp"
#include "window_rows.hpp"

#include <resilience/postgres/connection.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace resilience::postgres {
namespace {

constexpr std::size_t most_rows = 100'000;
constexpr auto no_seq = std::numeric_limits<std::int64_t>::max();
// Larger windows, in multiples of `most_sorted`, are never gone through in one statement.
constexpr std::int64_t most_picked = 50;

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

    // The window of a lane that is too large to be sorted.
    struct Large {
        std::string seen;
        std::string window;
        // How many rows it has, as far as they were counted, and a seq that none is
        // above; 0 until it has been necessary to know.
        std::int64_t rows = 0;
        std::int64_t last = 0;
    };
    std::map<int, Large> large;
    // Lanes of whose last rows one had more than its share of the bytes.
    std::set<int> heavy;

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

    static std::vector<Parameter> window_values(const WindowSlice& slice) {
        return parameters(
            slice.lane,
            slice.seen.empty() ? first_snapshot : std::string_view{slice.seen},
            slice.window,
            slice.last_seq
        );
    }

    template <class... More>
    static Statement statement(
        const char* text, const WindowSlice& slice, const More&... more
    ) {
        auto values = window_values(slice);
        values.emplace_back(slice.bytes);
        values.emplace_back(slice.limit);
        (values.emplace_back(more), ...);
        return once(text, std::move(values));
    }

    bool is_large(const WindowSlice& slice) const {
        const auto at = large.find(slice.lane);
        return at != large.end() && at->second.seen == slice.seen &&
               at->second.window == slice.window;
    }

    // A slice of a window that can be sorted; nothing when the window is too large.
    net::awaitable<Result<std::optional<Events>>> read_sorted(const WindowSlice& slice) {
        const auto rows =
            co_await ask_once(statement(sql::window_sorted, slice, options.most_sorted));
        if (!rows) co_return rows.error();
        if (!rows->empty()) {
            const auto found = (*rows)[0].int64(told);
            if (!found) co_return found.error();
            if (*found > options.most_sorted) co_return std::nullopt;
        }
        Events events;
        append(events, *rows);
        co_return std::move(events);
    }

    // A slice of a large window. Goes through the table by seq, but at first no further
    // than the window is large: between its rows there may be a hundred times as much.
    net::awaitable<Result<Events>> read_large(const WindowSlice& slice) {
        Events events;
        Large known = large[slice.lane];
        const std::int64_t most = most_picked * options.most_sorted;
        WindowSlice rest = slice;
        while (known.last == 0 || rest.last_seq < known.last) {
            auto end = known.last == 0 ? no_seq : known.last;
            // Before the first delivery nothing of the lane is outside the window.
            if (!slice.seen.empty()) {
                const auto stretch = std::max(options.most_sorted, known.rows);
                end = rest.last_seq + std::min(stretch, end - rest.last_seq);
            }
            const auto full = co_await walk(rest, end, events);
            if (!full) co_return full.error();
            if (*full || end == no_seq) break;
            if (known.last == 0) {
                const auto extent = co_await measure(rest, most);
                if (!extent) co_return extent.error();
                known = *extent;
                large[slice.lane] = known;
            }
            if (known.rows > most || rest.last_seq >= known.last) continue;
            const auto rows = co_await ask_once(statement(sql::window_picked, rest));
            if (!rows) co_return rows.error();
            append(events, *rows);
            break;
        }
        co_return std::move(events);
    }

    // Adds the rows of the slice up to the seq `end`, and takes them off the slice. Tells
    // whether that has filled it.
    net::awaitable<Result<bool>> walk(
        WindowSlice& slice, std::int64_t end, Events& events
    ) {
        if (!heavy.contains(slice.lane)) {
            const auto rows = co_await ask_once(statement(sql::window_light, slice, end));
            if (!rows) co_return rows.error();
            const auto all = append_light(events, *rows, slice);
            if (!all) co_return all.error();
            if (*all) {
                slice.last_seq = end;
                co_return slice.limit == 0;
            }
        }
        const auto rows = co_await ask_once(statement(sql::window_in_order, slice, end));
        if (!rows) co_return rows.error();
        const auto added = append_summed(events, *rows);
        if (!added) co_return added.error();
        const bool is_light = added->largest <= slice.bytes / slice.limit;
        if (is_light) heavy.erase(slice.lane);
        if (!is_light) heavy.insert(slice.lane);
        slice.last_seq = end;
        if (rows->size() == slice.limit || added->bytes >= slice.bytes) co_return true;
        slice.limit -= rows->size();
        slice.bytes -= added->bytes;
        co_return false;
    }

    // What there is of a large window above the slice's last seq.
    net::awaitable<Result<Large>> measure(const WindowSlice& slice, std::int64_t most) {
        auto values = window_values(slice);
        values.emplace_back(most + 1);
        const auto rows = co_await ask_once(once(sql::window_extent, std::move(values)));
        if (!rows) co_return rows.error();
        const auto count = (*rows)[0].int64(0);
        if (!count) co_return count.error();
        const auto last = (*rows)[0].int64(*count > most ? 2 : 1);
        if (!last) co_return last.error();
        co_return Large{
            slice.seen, slice.window, *count, std::max(*last, slice.last_seq)};
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

    if (!impl_->is_large(slice)) {
        impl_->large.erase(slice.lane);
        auto sorted = co_await impl_->read_sorted(slice);
        if (!sorted) co_return std::move(sorted).error();
        if (*sorted) co_return std::move(**sorted);
        impl_->large[slice.lane] = {slice.seen, slice.window};
    }
    auto events = co_await impl_->read_large(slice);
    co_return events;
}

}  // namespace resilience::postgres
