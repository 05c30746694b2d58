// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit_rows.hpp>

#include <resilience/uuid.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

// Microseconds, as the table keeps them.
std::int64_t microseconds_of(WallClock::time_point time) {
    using std::chrono::microseconds;
    return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

net::awaitable<Result<void>> expect_rows(
    WindowSource& source,
    WindowSlice slice,
    std::int64_t last,
    const AuditSpan& span,
    AuditLedger& ledger
) {
    while (true) {
        auto rows = co_await source.read(slice);
        if (!rows) co_return rows.error();
        for (auto& [event, seq, defect] : *rows) {
            if (seq > last) co_return Result<void>{};
            slice.last_seq = seq;
            const auto created = event.created_at.value_or(WallClock::time_point{});
            if (span.since && created < *span.since) continue;
            const bool is_asked_for =
                span.topics.empty() ||
                std::ranges::find(span.topics, event.topic) != span.topics.end();
            if (!is_asked_for) continue;
            const bool entered = ledger.expect(
                {.lane = slice.lane,
                 .seq = seq,
                 .event = std::move(event.id),
                 .topic = std::move(event.topic),
                 .created = created}
            );
            if (!entered) {
                co_return fail(
                    Errc::too_large,
                    "more than " + std::to_string(ledger.rows()) +
                        " rows are to be compared: give a shorter --since"
                );
            }
        }
        if (rows->empty()) co_return Result<void>{};
    }
}

}  // namespace

net::awaitable<Result<AuditSpan>> find_span(const Tools& tools) {
    AuditSpan span;
    if (tools.request.since.count() == 0) co_return span;
    span.since = WallClock::now() - tools.request.since;
    auto connection = co_await connect(tools);
    if (!connection) co_return connection.error();
    const auto rows = co_await connection->async_execute(
        "SELECT coalesce((SELECT min(seq) FROM outbox_events WHERE created_at >= "
        "timestamptz 'epoch' + $1::bigint * interval '1 microsecond'), "
        "(SELECT max(seq) + 1 FROM outbox_events), 1) - 1",
        resilience::postgres::parameters(microseconds_of(*span.since)),
        net::use_awaitable
    );
    if (!rows) co_return rows.error();
    const auto after = (*rows)[0].int64(0);
    if (!after) co_return after.error();
    span.after = *after;
    co_return span;
}

net::awaitable<Result<void>> expect_delivered(
    WindowSource& source,
    int lane,
    const LanePosition& position,
    const AuditSpan& span,
    AuditLedger& ledger
) {
    if (!position.seen.empty()) {
        WindowSlice seen{.lane = lane, .window = position.seen, .last_seq = span.after};
        const auto done = co_await expect_rows(
            source,
            std::move(seen),
            std::numeric_limits<std::int64_t>::max(),
            span,
            ledger
        );
        if (!done) co_return done;
    }
    if (position.last_seq <= span.after) co_return Result<void>{};
    WindowSlice window{
        .lane = lane,
        .seen = position.seen,
        .window = position.window,
        .last_seq = span.after};
    const auto done =
        co_await expect_rows(source, std::move(window), position.last_seq, span, ledger);
    co_return done;
}

net::awaitable<Result<std::vector<WindowEvent>>> read_again(
    WindowSource& source, const std::string& snapshot, std::span<const DueRow> rows
) {
    std::vector<WindowEvent> events;
    for (const auto& row : rows) {
        WindowSlice slice{
            .lane = row.lane, .window = snapshot, .last_seq = row.seq - 1, .limit = 1};
        auto found = co_await source.read(slice);
        if (!found) co_return found.error();
        if (found->empty() || found->front().seq != row.seq) {
            co_return fail(
                Errc::not_found,
                "row " + std::to_string(row.seq) + " is no longer in the table"
            );
        }
        events.push_back(std::move(found->front()));
    }
    co_return events;
}

net::awaitable<Result<std::vector<std::string>>> without_row(
    resilience::postgres::Connection& connection, const std::vector<std::string>& events
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
    const auto rows = co_await connection.async_execute(
        "SELECT asked.id::text FROM unnest($1::uuid[]) asked (id) WHERE NOT EXISTS "
        "(SELECT FROM outbox_events WHERE outbox_events.id = asked.id)",
        resilience::postgres::parameters(list),
        net::use_awaitable
    );
    if (!rows) co_return rows.error();
    for (const auto row : *rows) unknown.emplace_back(row.text(0));
    co_return unknown;
}

}  // namespace resilience::modules::outbox_admin
