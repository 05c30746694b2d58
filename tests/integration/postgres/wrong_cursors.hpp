// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_WRONG_CURSORS_HPP
#define RESILIENCE_TESTS_POSTGRES_WRONG_CURSORS_HPP

#include "server.hpp"

#include <resilience/window_source.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postgres_tests {

/// A way to follow a table that is published, and wrong. `look` takes the lane and yields
/// the cursor; `read` takes lane, old cursor, new cursor, last seq and limit.
struct Cursor {
    std::string_view name;
    const char* look;
    const char* read;
};

/// Loses what commits after a row with a higher seq.
inline constexpr Cursor by_seq{
    "seq > last",
    "SELECT coalesce(max(seq), 0)::text FROM outbox_events WHERE lane = $1",
    "SELECT seq, id, aggregate_id, event_type FROM outbox_events WHERE lane = $1 "
    "AND seq > greatest(coalesce(nullif($2::text, '')::bigint, 0), $4::bigint) "
    "AND seq <= $3::text::bigint ORDER BY seq LIMIT $5::bigint"};

/// Loses a row whose writer began after, but wrote before, one that is read.
inline constexpr Cursor by_seq_below_xmin{
    "seq > last AND xid < xmin",
    "SELECT coalesce(max(seq), 0)::text FROM outbox_events WHERE lane = $1 "
    "AND xid < pg_snapshot_xmin(pg_current_snapshot())",
    "SELECT seq, id, aggregate_id, event_type FROM outbox_events WHERE lane = $1 "
    "AND seq > greatest(coalesce(nullif($2::text, '')::bigint, 0), $4::bigint) "
    "AND seq <= $3::text::bigint AND xid < pg_snapshot_xmin(pg_current_snapshot()) "
    "ORDER BY seq LIMIT $5::bigint"};

/// Turns round what a transaction that began first wrote last.
inline constexpr Cursor by_xid_and_seq{
    "(xid, seq) > last AND xid < xmin",
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text WHERE $1::smallint >= 0",
    "SELECT seq, id, aggregate_id, event_type FROM outbox_events WHERE lane = $1 "
    "AND xid >= coalesce(nullif($2::text, ''), '0')::xid8 AND xid < $3::text::xid8 "
    "AND ($4::bigint = 0 OR (xid, seq) > "
    "((SELECT l.xid FROM outbox_events l WHERE l.seq = $4::bigint), $4::bigint)) "
    "ORDER BY outbox_events.xid, seq LIMIT $5::bigint"};

/// Reads one lane by a wrong cursor, behind the interface of the right one.
class WrongSource final : public resilience::WindowSource {
public:
    WrongSource(const Cursor& cursor, pg::ConnectionOptions options, int lane)
        : cursor_(cursor), options_(std::move(options)), lane_(lane) {}

    net::awaitable<Result<resilience::SourceIdentity>> identity() override {
        co_return resilience::SourceIdentity{};
    }

    net::awaitable<Result<resilience::Window>> look() override {
        if (!connection_) connection_.emplace(co_await connected(options_));
        resilience::Window window;
        window.snapshot =
            co_await value(*connection_, cursor_.look, pg::parameters(lane_));
        co_return window;
    }

    net::awaitable<Result<void>> gate(resilience::Lsn) override {
        co_return Result<void>{};
    }

    net::awaitable<Result<std::vector<resilience::WindowEvent>>> read(
        const resilience::WindowSlice& slice
    ) override {
        auto values =
            pg::parameters(lane_, slice.seen, slice.window, slice.last_seq, slice.limit);
        const auto rows =
            co_await connection_->async_execute(cursor_.read, std::move(values));
        if (!rows) co_return rows.error();
        std::vector<resilience::WindowEvent> events;
        for (const auto row : *rows) {
            auto& event = events.emplace_back();
            event.seq = row.int64(0).value();
            event.event.id = row.text(1);
            event.event.aggregate_id = row.text(2);
            event.event.event_type = row.text(3);
        }
        co_return events;
    }

private:
    const Cursor& cursor_;
    pg::ConnectionOptions options_;
    int lane_;
    std::optional<pg::Connection> connection_;
};

}  // namespace postgres_tests

#endif
