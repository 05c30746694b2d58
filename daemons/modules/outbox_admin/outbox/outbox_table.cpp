// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/outbox/outbox_table.hpp>

#include <resilience/uuid.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <set>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::postgres::parameters;
using resilience::postgres::Rows;

using Take = std::function<Result<bool>(const Rows&)>;

// Statistics may speak of another time: the rows of a slice are found by their index.
constexpr const char* settle_plans =
    "SELECT set_config('enable_seqscan', 'off', false), "
    "set_config('enable_bitmapscan', 'off', false)";

// Of each statement of a slice, $1 is where the one before it ended and $2 how many rows
// it has. The first column is where it ends; there is no row behind the last slice.

constexpr const char* newest_row = "SELECT coalesce(max(seq), 0) FROM outbox_events";

constexpr const char* topics_of_slice =
    "WITH slice AS MATERIALIZED (SELECT seq, topic FROM outbox_events "
    "WHERE seq > $1 ORDER BY seq LIMIT $2) "
    "SELECT (SELECT max(seq) FROM slice), topic FROM slice GROUP BY topic";

constexpr const char* first_of_slice =
    "WITH slice AS MATERIALIZED (SELECT seq, created_at FROM outbox_events "
    "WHERE seq > $1 ORDER BY seq LIMIT $2) "
    "SELECT max(seq), min(seq) FILTER (WHERE created_at >= timestamptz 'epoch' + "
    "$3::bigint * interval '1 microsecond') FROM slice HAVING max(seq) IS NOT NULL";

// A statement sees committed rows alone, so no other row is meant.
constexpr const char* count_foreign_of_slice =
    "WITH slice AS MATERIALIZED (SELECT seq, xid FROM outbox_events "
    "WHERE seq > $1 ORDER BY seq LIMIT $2) "
    "SELECT max(seq), count(*) FILTER (WHERE NOT pg_visible_in_snapshot(xid, "
    "pg_current_snapshot())) FROM slice HAVING max(seq) IS NOT NULL";

constexpr const char* renumber_slice =
    "WITH slice AS MATERIALIZED (SELECT seq, xid FROM outbox_events "
    "WHERE seq > $1 ORDER BY seq LIMIT $2), "
    "renumbered AS (UPDATE outbox_events SET xid = pg_current_xact_id() "
    "WHERE seq = ANY(ARRAY(SELECT seq FROM slice WHERE NOT pg_visible_in_snapshot(xid, "
    "pg_current_snapshot()))) RETURNING 1) "
    "SELECT max(seq), (SELECT count(*) FROM renumbered) FROM slice "
    "HAVING max(seq) IS NOT NULL";

constexpr const char* move_some =
    "WITH moved AS (UPDATE outbox_events SET lane = lane % $1::smallint "
    "WHERE seq = ANY(ARRAY(SELECT seq FROM outbox_events "
    "WHERE lane >= $1::smallint ORDER BY lane, xid LIMIT $2::bigint)) "
    "RETURNING 1) SELECT count(*) FROM moved";

constexpr const char* which_have_no_row =
    "SELECT asked.id::text FROM unnest($1::uuid[]) asked (id) WHERE NOT EXISTS "
    "(SELECT FROM outbox_events WHERE outbox_events.id = asked.id)";

constexpr const char* content_of_event =
    "SELECT event_data, headers FROM outbox_events WHERE id = $1::uuid";

// As the table keeps times.
std::int64_t microseconds_of(WallClock::time_point time) {
    using std::chrono::microseconds;
    return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

}  // namespace

OutboxTable::OutboxTable(const Tools& tools)
    : connection_(tools.executor, tools.database),
      rows_at_once_(tools.request.rows_at_once) {}

net::awaitable<Result<void>> OutboxTable::open() {
    const auto opened = co_await connection_.async_connect(net::use_awaitable);
    if (!opened) co_return opened.error();
    const auto settled = co_await connection_.async_execute(
        settle_plans, parameters(), net::use_awaitable
    );
    if (!settled) co_return settled.error();
    co_return Result<void>{};
}

net::awaitable<Result<void>> OutboxTable::walk(
    const char* statement,
    std::optional<std::int64_t> more,
    std::function<Result<bool>(const Rows&)> take
) {
    // Writers would keep it behind them for ever.
    const auto newest =
        co_await connection_.async_execute(newest_row, parameters(), net::use_awaitable);
    if (!newest) co_return newest.error();
    const auto end = (*newest)[0].int64(0);
    if (!end) co_return end.error();
    std::int64_t after = 0;
    while (after < *end) {
        auto values = parameters(after, rows_at_once_);
        if (more) values.emplace_back(*more);
        const auto rows = co_await connection_.async_execute(
            statement, std::move(values), net::use_awaitable
        );
        if (!rows) {
            auto failure = rows.error();
            if (failure == Errc::timed_out || failure == Errc::timed_out_in_doubt) {
                failure.detail += "; give fewer --rows-at-once, or more DB_TIMEOUT";
            }
            co_return failure;
        }
        if (rows->empty()) co_return Result<void>{};
        const auto last = (*rows)[0].int64(0);
        if (!last) co_return last.error();
        const auto goes_on = take(*rows);
        if (!goes_on) co_return goes_on.error();
        if (!*goes_on) co_return Result<void>{};
        after = *last;
    }
    co_return Result<void>{};
}

net::awaitable<Result<std::int64_t>> OutboxTable::add_up(const char* statement) {
    std::int64_t sum = 0;
    const Take take = [&](const Rows& rows) -> Result<bool> {
        const auto count = rows[0].int64(1);
        if (!count) return count.error();
        sum += *count;
        return true;
    };
    const auto done = co_await walk(statement, std::nullopt, take);
    if (!done) co_return done.error();
    co_return sum;
}

net::awaitable<Result<std::vector<std::string>>> OutboxTable::topics() {
    std::set<std::string> names;
    const Take take = [&](const Rows& rows) -> Result<bool> {
        for (const auto row : rows) {
            // A row whose topic Kafka cannot have was never delivered there.
            if (is_topic_name(row.text(1))) names.emplace(row.text(1));
        }
        return true;
    };
    const auto done = co_await walk(topics_of_slice, std::nullopt, take);
    if (!done) co_return done.error();
    co_return std::vector<std::string>(names.begin(), names.end());
}

net::awaitable<Result<std::int64_t>> OutboxTable::before(WallClock::time_point since) {
    std::int64_t last = 0;
    const Take take = [&](const Rows& rows) -> Result<bool> {
        const bool is_found = !rows[0].is_null(1);
        const auto seq = rows[0].int64(is_found ? 1 : 0);
        if (!seq) return seq.error();
        last = is_found ? *seq - 1 : *seq;
        return !is_found;
    };
    const auto done = co_await walk(first_of_slice, microseconds_of(since), take);
    if (!done) co_return done.error();
    co_return last;
}

net::awaitable<Result<std::int64_t>> OutboxTable::count_foreign_numbers() {
    auto count = co_await add_up(count_foreign_of_slice);
    co_return count;
}

net::awaitable<Result<std::int64_t>> OutboxTable::take_own_numbers() {
    auto count = co_await add_up(renumber_slice);
    co_return count;
}

net::awaitable<Result<std::int64_t>> OutboxTable::move_to_lanes(int lanes) {
    std::int64_t moved = 0;
    while (true) {
        const auto rows = co_await connection_.async_execute(
            move_some, parameters(lanes, rows_at_once_), net::use_awaitable
        );
        if (!rows) co_return rows.error();
        const auto count = (*rows)[0].int64(0);
        if (!count) co_return count.error();
        moved += *count;
        if (*count == 0) co_return moved;
    }
}

net::awaitable<Result<std::uint64_t>> OutboxTable::new_number() {
    const auto rows = co_await connection_.async_execute(
        "SELECT pg_current_xact_id()::text", parameters(), net::use_awaitable
    );
    if (!rows) co_return rows.error();
    const auto own = (*rows)[0].int64(0);
    if (!own) co_return own.error();
    co_return static_cast<std::uint64_t>(*own);
}

net::awaitable<Result<std::vector<std::string>>> OutboxTable::without_row(
    const std::vector<std::string>& events
) {
    std::vector<std::string> unknown;
    std::string list = "{";
    for (const auto& event : events) {
        if (!Uuid::parse(event)) {
            unknown.push_back(event);
            continue;
        }
        if (list.size() > 1) list += ',';
        list += event;
    }
    list += '}';
    const auto rows = co_await connection_.async_execute(
        which_have_no_row, parameters(list), net::use_awaitable
    );
    if (!rows) co_return rows.error();
    for (const auto row : *rows) unknown.emplace_back(row.text(0));
    co_return unknown;
}

net::awaitable<Result<std::optional<OutboxTable::Content>>> OutboxTable::content_of(
    const std::string& event
) {
    std::optional<Content> content;
    if (!Uuid::parse(event)) co_return content;
    const auto rows = co_await connection_.async_execute(
        content_of_event, parameters(event), net::use_awaitable
    );
    if (!rows) co_return rows.error();
    if (!rows->empty()) {
        content =
            Content{std::string{(*rows)[0].text(0)}, std::string{(*rows)[0].text(1)}};
    }
    co_return content;
}

}  // namespace resilience::modules::outbox_admin
