// SPDX-License-Identifier: MIT
#include <resilience/postgres/first_seen.hpp>

#include "claim_barrier.hpp"
#include "outbox_sql.hpp"
#include "source_identity.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <limits>
#include <utility>
#include <vector>

namespace resilience::postgres {
namespace {

Failure refusal(int lane, const std::string& what) {
    return fail(
        Errc::invalid_request, "outbox_events, lane " + std::to_string(lane) + ": " + what
    );
}

// Reads what the statement first_seen returned.
Result<FirstSeen> read(const Row& row, int lane, std::size_t most_named) {
    const auto held = row.boolean(0);
    if (!held) return held.error();
    if (*held) {
        return refusal(
            lane,
            "rows are PROCESSING. Let the relay in claim mode that holds them end by "
            "itself; where it was killed, run one until it has freed and delivered them"
        );
    }
    if (!row.is_null(1)) {
        return refusal(
            lane,
            "transaction " + std::string{row.text(1)} +
                " wrote rows that are finished and rows that wait. Run a relay in claim "
                "mode until it has caught up, then end it"
        );
    }
    const auto named = row.int64(3);
    if (!named) return named.error();
    if (static_cast<std::uint64_t>(*named) > most_named) {
        return refusal(
            lane,
            std::to_string(*named) +
                " transactions wait before others that are finished. Run a relay in "
                "claim mode until it has caught up, then end it"
        );
    }
    const auto waiting = row.int64(4);
    if (!waiting) return waiting.error();
    return FirstSeen{std::string{row.text(2)}, *waiting};
}

}  // namespace

net::awaitable<Result<FirstSeen>> first_seen(
    Connection& connection, int lane, std::size_t most_named
) {
    if (lane < 0 || lane > std::numeric_limits<std::int16_t>::max()) {
        co_return fail(Errc::invalid_request, "lane: must be 0 to 32,767");
    }
    if (most_named > 50'000) {
        co_return fail(Errc::invalid_request, "most_named: must be at most 50,000");
    }
    std::vector<Statement> statements;
    statements.push_back({"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", {}});
    statements.push_back({sql::plan_by_index, {}});
    statements.push_back({sql::window_identity, {}});
    // In time for the statement that looks: what was claimed before, it sees.
    statements.push_back({sql::first_seen_barrier, {}});
    statements.push_back({sql::first_seen, parameters(lane)});
    statements.push_back({"COMMIT", {}});
    const auto rows =
        co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
    if (!rows) co_return rows.error();
    const auto source = read_identity((*rows)[2][0]);
    if (!source) co_return source.error();
    const auto barred = read_barrier((*rows)[3][0]);
    if (!barred) co_return barred.error();
    co_return read((*rows)[4][0], lane, most_named);
}

}  // namespace resilience::postgres
