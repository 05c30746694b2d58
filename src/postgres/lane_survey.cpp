// SPDX-License-Identifier: MIT
#include <resilience/postgres/lane_survey.hpp>

#include "lane_lock_numbers.hpp"
#include "outbox_sql.hpp"
#include "snapshot_text.hpp"
#include "source_identity.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace resilience::postgres {
namespace {

constexpr const char* begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";

Result<void> read_lock(const Row& row, LaneSurvey& survey) {
    const auto number = row.int64(0);
    if (!number) return number.error();
    const auto process = row.int64(1);
    if (!process) return process.error();
    if (*number >= first_member) {
        ++survey.members;
        survey.lanes = static_cast<int>(end_of_members - *number);
    } else {
        survey.owners.push_back(
            {static_cast<int>(*number), *process, std::string{row.text(2)}}
        );
    }
    return {};
}

// Snapshots that this history has not reached yet are another's.
Result<void> check_reached(const LanePosition& position, std::string_view now) {
    const auto here = end_of_snapshot(now);
    for (const auto& text : {position.seen, position.window}) {
        const auto there =
            text.empty() ? std::optional<std::uint64_t>{1} : end_of_snapshot(text);
        if (!there || !here) {
            return fail(Errc::corrupt_data, "the position's snapshot is none: " + text);
        }
        if (*there > *here) {
            return history_changed(
                "the position is at transaction " + std::to_string(*there) +
                ", the server at " + std::to_string(*here)
            );
        }
    }
    return {};
}

// The first five of lane_backlog.
std::vector<Parameter> parameters_of(
    int lane, const LanePosition& position, std::int64_t most
) {
    const auto snapshot = [](const std::string& text) {
        return text.empty() ? std::string{first_snapshot} : text;
    };
    return parameters(
        lane, snapshot(position.seen), snapshot(position.window), position.last_seq, most
    );
}

// What a statement tells that counts, once the position was compared with the source.
net::awaitable<Result<Rows>> count(
    Connection& connection,
    int lane,
    const std::optional<LanePosition>& position,
    const char* text,
    std::vector<Parameter> values
) {
    if (lane < 0 || lane > std::numeric_limits<std::int16_t>::max()) {
        co_return fail(Errc::invalid_request, "lane: must be 0 to 32,767");
    }
    std::vector<Statement> statements;
    statements.push_back({begin, {}});
    statements.push_back({sql::plan_by_index, {}});
    statements.push_back({sql::window_identity, {}});
    statements.push_back({sql::window_look, {}});
    statements.push_back({"COMMIT", {}});
    const auto looked =
        co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
    if (!looked) co_return looked.error();
    const auto source = read_identity((*looked)[2][0]);
    if (!source) co_return source.error();
    if (position) {
        if (auto failure = compare(position->source, *source)) {
            co_return std::move(*failure);
        }
        const auto reached = check_reached(*position, (*looked)[3][0].text(0));
        if (!reached) co_return reached.error();
    }
    std::vector<Statement> counting;
    counting.push_back({begin, {}});
    counting.push_back({sql::plan_by_index, {}});
    counting.push_back({text, std::move(values)});
    counting.push_back({"COMMIT", {}});
    auto rows =
        co_await connection.async_pipeline(std::move(counting), net::use_awaitable);
    if (!rows) co_return rows.error();
    co_return std::move((*rows)[2]);
}

Result<LaneBacklog> read_backlog(const Row& row, std::int64_t most) {
    const auto events = row.int64(0);
    if (!events) return events.error();
    LaneBacklog backlog;
    backlog.more = *events > most;
    backlog.events = std::min(*events, most);
    return backlog;
}

}  // namespace

net::awaitable<Result<LaneSurvey>> survey_lanes(Connection& connection) {
    std::vector<Statement> statements;
    statements.push_back({begin, {}});
    statements.push_back({sql::window_identity, {}});
    statements.push_back({sql::window_look, {}});
    statements.push_back({sql::lane_table, {}});
    statements.push_back({"COMMIT", {}});
    const auto rows =
        co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
    if (!rows) co_return rows.error();
    const auto source = read_identity((*rows)[1][0]);
    if (!source) co_return source.error();
    LaneSurvey survey;
    survey.source = *source;
    survey.snapshot = (*rows)[2][0].text(0);
    const auto table = (*rows)[3][0].int64(0);
    if (!table) co_return table.error();
    const auto locks = co_await connection.async_execute(
        sql::lane_owners, parameters(*table), net::use_awaitable
    );
    if (!locks) co_return locks.error();
    for (const auto row : *locks) {
        const auto read = read_lock(row, survey);
        if (!read) co_return read.error();
    }
    co_return survey;
}

net::awaitable<Result<LaneBacklog>> lane_backlog(
    Connection& connection,
    int lane,
    const std::optional<LanePosition>& position,
    std::int64_t most
) {
    if (most < 1 || most > 10'000'000) {
        co_return fail(Errc::invalid_request, "most: must be 1 to 10,000,000");
    }
    const auto from = position.value_or(LanePosition{});
    auto values = parameters_of(lane, from, most + 1);
    const auto row =
        co_await count(connection, lane, position, sql::lane_backlog, std::move(values));
    if (!row) co_return row.error();
    auto backlog = read_backlog((*row)[0], most);
    if (!backlog) co_return backlog.error();
    if (!(*row)[0].is_null(1)) {
        const auto age = (*row)[0].int64(1);
        if (!age) co_return age.error();
        backlog->age = std::chrono::microseconds{*age};
    }
    co_return backlog;
}

net::awaitable<Result<LaneBacklog>> recent_lane_backlog(
    Connection& connection, int lane, const LanePosition& position, std::int64_t most
) {
    if (most < 1 || most > 1'000'000) {
        co_return fail(Errc::invalid_request, "most: must be 1 to 1,000,000");
    }
    auto values = parameters_of(lane, position, most + 1);
    values.emplace_back(2 * most);
    const auto row = co_await count(
        connection, lane, position, sql::lane_backlog_recent, std::move(values)
    );
    if (!row) co_return row.error();
    co_return read_backlog((*row)[0], most);
}

}  // namespace resilience::postgres
