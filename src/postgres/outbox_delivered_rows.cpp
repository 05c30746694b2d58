// SPDX-License-Identifier: MIT
#include <resilience/postgres/outbox_delivered_rows.hpp>

#include "outbox_sql.hpp"
#include "snapshot_text.hpp"
#include "source_identity.hpp"
#include "storable_text.hpp"

#include <resilience/postgres/connection.hpp>
#include <resilience/relay.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <string>
#include <utility>

namespace resilience::postgres {
namespace {

constexpr std::size_t most_rows = 5000;

Failure wrong(const char* what) { return fail(Errc::invalid_request, what); }

Result<std::size_t> count(const Row& row, std::size_t column) {
    const auto value = row.int64(column);
    if (!value) return value.error();
    return static_cast<std::size_t>(*value);
}

// Reads the statement's part of whether the positions are of this history.
Result<void> read_whether_it_goes_on(const Row& row) {
    const auto goes_on = row.boolean(0);
    if (!goes_on) return goes_on.error();
    if (*goes_on) return {};
    return history_changed(
        "a position is of another table, or ahead of the server's transactions"
    );
}

// What is no row's fault must not be taken for one.
Failure of_no_row(const Failure& failure) {
    return blames_rows(failure) ? fail(Errc::bad_destination, failure.message())
                                : failure;
}

// Reads what report_slice and remove_slice returned.
Result<DeliveredOutcome> read_outcome(const Row& row, bool removed) {
    const auto goes_on = read_whether_it_goes_on(row);
    if (!goes_on) return goes_on.error();
    const auto looked = count(row, 1);
    if (!looked) return looked.error();
    const auto last = row.int64(2);
    if (!last) return last.error();
    const auto changed = count(row, 3);
    if (!changed) return changed.error();
    const auto locked = row.int64(4);
    if (!locked) return locked.error();
    DeliveredOutcome outcome{*looked, *last, *changed, *locked};
    if (!removed) return outcome;
    const auto kept = row.int64(5);
    if (!kept) return kept.error();
    const auto young = count(row, 6);
    if (!young) return young.error();
    const auto failed = count(row, 7);
    if (!failed) return failed.error();
    outcome.first_kept = *kept;
    outcome.young = *young;
    outcome.failed = *failed;
    return outcome;
}

}  // namespace

struct OutboxDeliveredRows::Impl {
    Impl(net::any_io_executor executor, ConnectionOptions options)
        : connection(std::move(executor), std::move(options)) {}

    Connection connection;
    // What the connection has reached; none unless it is open.
    std::optional<SourceIdentity> reached;

    net::awaitable<Result<void>> connect() {
        if (reached && connection.is_open()) co_return Result<void>{};
        reached.reset();
        connection.close();
        const auto opened = co_await connection.async_connect(net::use_awaitable);
        if (!opened) co_return opened.error();
        std::vector<Statement> statements;
        statements.push_back({sql::window_session, {}});
        statements.push_back({sql::report_session, {}});
        statements.push_back({sql::window_identity, {}});
        const auto rows =
            co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
        if (!rows) co_return rows.error();
        const auto found = read_identity(rows->back()[0]);
        if (!found) co_return found.error();
        reached = *found;
        co_return Result<void>{};
    }

    net::awaitable<Result<Rows>> ask(const char* text) {
        const auto connected = co_await connect();
        if (!connected) co_return of_no_row(connected.error());
        auto rows = co_await connection.async_execute(text, {}, net::use_awaitable);
        if (!rows) co_return of_no_row(rows.error());
        co_return rows;
    }

    // The connection's part of whether a position is of this history; the rest is the
    // statement's.
    std::optional<Failure> find_other(std::span<const DeliveredLane> known) const {
        for (const auto& lane : known) {
            if (auto failure = compare(lane.position.source, *reached)) return failure;
        }
        return std::nullopt;
    }

    // Asks what begins with the fragment `delivered`, on the connection whose identity
    // was compared and on no later one. `none` are the values that name no row.
    net::awaitable<Result<Rows>> ask_of(
        std::span<const DeliveredLane> known,
        const char* text,
        std::vector<Parameter> values,
        std::vector<Parameter> none
    ) {
        if (known.empty()) co_return wrong("lanes: there is none");
        const auto connected = co_await connect();
        if (!connected) co_return of_no_row(connected.error());
        if (auto failure = find_other(known)) co_return std::move(*failure);
        auto rows = co_await execute(known, text, std::move(values));
        if (rows || !blames_rows(rows.error())) co_return rows;
        const auto without = co_await execute(known, text, std::move(none));
        if (!without) co_return of_no_row(without.error());
        co_return rows;
    }

    net::awaitable<Result<Rows>> execute(
        std::span<const DeliveredLane> known,
        const char* text,
        std::vector<Parameter> values
    ) {
        auto all = parameters_of(known);
        for (auto& value : values) all.push_back(std::move(value));
        co_return co_await connection.async_execute(
            text, std::move(all), net::use_awaitable
        );
    }

    // The first five of the fragment `delivered`.
    std::vector<Parameter> parameters_of(std::span<const DeliveredLane> known) const {
        std::vector<std::int64_t> lanes;
        std::vector<std::string> seen;
        std::vector<std::string> windows;
        std::vector<std::int64_t> last_seqs;
        for (const auto& [lane, position] : known) {
            const auto text = [](const std::string& snapshot) {
                return snapshot.empty() ? std::string{first_snapshot} : snapshot;
            };
            lanes.push_back(lane);
            seen.push_back(text(position.seen));
            windows.push_back(text(position.window));
            last_seqs.push_back(position.last_seq);
        }
        return parameters(
            Parameter::array(lanes),
            Parameter::array(seen),
            Parameter::array(windows),
            Parameter::array(last_seqs),
            reached->table
        );
    }

    net::awaitable<Result<DeliveredOutcome>> deal(
        const char* text, const DeliveredSlice& slice, const std::int64_t* age
    ) {
        if (slice.limit < 1 || slice.limit > most_rows) {
            co_return wrong("limit: must be 1 to 5,000");
        }
        auto values = parameters(slice.after, slice.to, slice.limit);
        auto none = parameters(slice.after, slice.after, slice.limit);
        if (age) {
            values.emplace_back(*age);
            none.emplace_back(*age);
        }
        const auto rows =
            co_await ask_of(slice.lanes, text, std::move(values), std::move(none));
        if (!rows) co_return rows.error();
        co_return read_outcome((*rows)[0], age != nullptr);
    }
};

OutboxDeliveredRows::OutboxDeliveredRows(
    net::any_io_executor executor, ConnectionOptions options
)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(options))) {}

OutboxDeliveredRows::~OutboxDeliveredRows() = default;

net::awaitable<Result<std::int64_t>> OutboxDeliveredRows::last_seq() {
    const auto rows = co_await impl_->ask(sql::last_seq);
    if (!rows) co_return rows.error();
    co_return (*rows)[0].int64(0);
}

net::awaitable<Result<DeliveredOutcome>> OutboxDeliveredRows::report(
    const DeliveredSlice& slice
) {
    co_return co_await impl_->deal(sql::report_slice, slice, nullptr);
}

net::awaitable<Result<std::vector<std::int64_t>>> OutboxDeliveredRows::report_failed(
    std::span<const DeliveredLane> lanes, std::span<const DeadLetteredRow> rows
) {
    if (rows.size() > most_rows) co_return wrong("rows: must be at most 5,000");
    std::vector<std::int64_t> seqs;
    std::vector<std::string> reasons;
    for (const auto& row : rows) {
        seqs.push_back(row.seq);
        reasons.push_back(storable(row.reason));
    }
    auto values = parameters(Parameter::array(seqs), Parameter::array(reasons));
    seqs.clear();
    reasons.clear();
    auto none = parameters(Parameter::array(seqs), Parameter::array(reasons));
    const auto done = co_await impl_->ask_of(
        lanes, sql::report_failed, std::move(values), std::move(none)
    );
    if (!done) co_return done.error();
    const auto goes_on = read_whether_it_goes_on((*done)[0]);
    if (!goes_on) co_return goes_on.error();
    std::vector<std::int64_t> locked;
    for (const auto row : *done) {
        if (row.is_null(1)) continue;
        const auto seq = row.int64(1);
        if (!seq) co_return seq.error();
        locked.push_back(*seq);
    }
    co_return locked;
}

net::awaitable<Result<DeliveredOutcome>> OutboxDeliveredRows::remove(
    const DeliveredSlice& slice, std::chrono::milliseconds age
) {
    if (age < std::chrono::milliseconds{0}) co_return wrong("age: must not be negative");
    const std::int64_t milliseconds = age.count();
    co_return co_await impl_->deal(sql::remove_slice, slice, &milliseconds);
}

}  // namespace resilience::postgres
