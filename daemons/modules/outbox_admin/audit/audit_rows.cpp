// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_rows.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

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
                        " rows are to be compared: give a shorter --since, or more "
                        "--most-rows"
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
    OutboxTable table{tools};
    const auto opened = co_await table.open();
    if (!opened) co_return opened.error();
    const auto after = co_await table.before(*span.since);
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
    // Rows of other lanes and those that are not asked for are between them.
    constexpr std::int64_t widest = 1000;
    const auto first = rows.front().seq;
    auto last = first;
    for (const auto& row : rows) {
        if (row.seq - first < widest) last = row.seq;
    }
    const WindowSlice slice{
        .lane = rows.front().lane,
        .window = snapshot,
        .last_seq = first - 1,
        .limit = static_cast<std::size_t>(last - first) + 1};
    auto found = co_await source.read(slice);
    if (!found) co_return found.error();
    std::vector<WindowEvent> events;
    for (auto& row : *found) {
        if (events.size() == rows.size()) break;
        const auto wanted = rows[events.size()].seq;
        if (row.seq > wanted) break;
        if (row.seq == wanted) events.push_back(std::move(row));
    }
    if (!events.empty()) co_return events;
    co_return fail(
        Errc::not_found, "row " + std::to_string(first) + " is no longer in the table"
    );
}

}  // namespace resilience::modules::outbox_admin
