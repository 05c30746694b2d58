// SPDX-License-Identifier: MIT
#include <resilience/sqlite/outbox_source.hpp>

#include <resilience/detail/header_json.hpp>
#include <resilience/detail/rfc3339.hpp>
#include <resilience/detail/utf8.hpp>
#include <resilience/sqlite/transaction.hpp>

#include "outbox_sql.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>

namespace resilience::sqlite {
namespace {

namespace json = boost::json;

constexpr std::size_t error_bytes = 2000;

OutboxSourceOptions checked(OutboxSourceOptions options) {
    if (options.max_batch_bytes == 0) {
        throw std::invalid_argument("max_batch_bytes: must be positive");
    }
    if (options.max_depth < 1) {
        throw std::invalid_argument("max_depth: must be at least 1");
    }
    if (!options.now) throw std::invalid_argument("now: is empty");
    if (options.instance == Uuid{}) {
        std::random_device device;
        const auto word = [&device] {
            return (static_cast<std::uint64_t>(device()) << 32) | device();
        };
        options.instance = Uuid::v7(options.now(), {word(), word()});
    }
    return options;
}

std::int64_t milliseconds_of(WallClock::time_point time) {
    using std::chrono::milliseconds;
    return std::chrono::floor<milliseconds>(time.time_since_epoch()).count();
}

// The schema keeps the column a whole number.
std::int64_t number(const Row& row, std::size_t column) {
    const auto value = row.int64(column);
    return value ? *value : 0;
}

// It keeps counts no smaller than 64 bits.
std::int32_t count(const Row& row, std::size_t column) {
    using Limits = std::numeric_limits<std::int32_t>;
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(number(row, column), Limits::min(), Limits::max())
    );
}

// SQLite's own functions write a space and no zone; they mean UTC.
std::optional<WallClock::time_point> moment_of(std::string text) {
    if (text.size() > 10 && text[10] == ' ' && text.back() != 'Z') {
        text[10] = 'T';
        text += 'Z';
    }
    return resilience::detail::parse_rfc3339(text);
}

ClaimedEvent event_of(const Row& row) {
    ClaimedEvent claimed;
    claimed.seq = number(row, 0);
    auto& event = claimed.event;
    event.id = row.text(1);
    event.aggregate_type = row.text(2);
    event.aggregate_id = row.text(3);
    event.event_type = row.text(4);
    event.event_data = row.text(5);
    event.topic = row.text(6);
    event.partition_key = row.is_null(7) ? row.text(3) : row.text(7);
    event.created_at = moment_of(std::string{row.text(8)});
    if (!event.created_at) {
        claimed.defect =
            "created_at: is not a time from 1678 to 2261 such as 2026-01-31T23:59:59Z";
    }
    claimed.retry_count = count(row, 9);
    event.max_retries = count(row, 10);
    event.headers = resilience::detail::read_headers(row.text(11));
    return claimed;
}

// What is written to the row: short, and text whatever the destination said.
std::string tidy(std::string error) {
    if (!resilience::detail::is_storable_text(error)) {
        const auto odd = [](char c) {
            return c == '\0' || static_cast<signed char>(c) < 0;
        };
        std::replace_if(error.begin(), error.end(), odd, '?');
    }
    if (error.size() > error_bytes) {
        auto end = error_bytes;
        while ((static_cast<unsigned char>(error[end]) & 0xc0) == 0x80) --end;
        error.resize(end);
    }
    return error;
}

json::array verdict_of(Settlement settlement) {
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(settlement.delay);
    const std::int64_t wait = std::max<std::int64_t>(delay.count(), 0);
    auto error = tidy(std::move(settlement.error));
    switch (settlement.disposition) {
        case Disposition::sent:
            return {settlement.seq, "SENT", 0, 0, nullptr};
        case Disposition::retry:
            return {settlement.seq, "NEW", 1, wait, std::move(error)};
        case Disposition::failed:
            return {settlement.seq, "FAILED", 1, 0, std::move(error)};
        case Disposition::released:
            break;
    }
    return {settlement.seq, "NEW", 0, 0, nullptr};
}

}  // namespace

struct OutboxSource::Impl {
    Database& database;
    OutboxSourceOptions options;
    std::string instance = options.instance.to_string();
    // A JSON array.
    std::string left_out = "[]";

    std::int64_t now() const { return milliseconds_of(options.now()); }

    std::vector<Parameter> candidates(std::int64_t now, std::size_t limit) const {
        return parameters(now, limit, options.max_batch_bytes, left_out);
    }

    std::vector<Parameter> claim(std::int64_t now, std::size_t limit) const {
        return parameters(now, limit, options.max_batch_bytes, left_out, instance);
    }

    // Frees the rows that can be freed, where all together were refused.
    net::awaitable<Result<std::int64_t>> free_stale_rows(
        std::int64_t since, Failure refusal
    ) {
        auto found = co_await database.async_execute(sql::stale_rows, parameters(since));
        if (!found) co_return found.error();
        std::int64_t freed = 0;
        for (const Row row : *found) {
            auto values = parameters(since, number(row, 0));
            const auto done =
                co_await database.async_execute(sql::free_stale_row, std::move(values));
            if (done) {
                freed += done->affected();
            } else if (!blames_rows(done.error())) {
                co_return done.error();
            }
        }
        if (freed == 0) co_return refusal;
        co_return freed;
    }
};

OutboxSource::OutboxSource(Database& database, OutboxSourceOptions options)
    : impl_(new Impl{database, checked(std::move(options))}) {}

OutboxSource::~OutboxSource() = default;

net::awaitable<Result<std::vector<ClaimedEvent>>> OutboxSource::claim(std::size_t limit) {
    auto& database = impl_->database;
    const auto now = impl_->now();
    auto due = co_await database.async_execute(sql::any_due, parameters(now));
    if (!due) co_return due.error();
    std::vector<ClaimedEvent> events;
    if (due->empty()) co_return events;

    auto values = impl_->claim(now, limit);
    auto rows = co_await database.async_execute(sql::claim_due, std::move(values));
    if (!rows) co_return rows.error();
    events.reserve(rows->size());
    for (const Row row : *rows) events.push_back(event_of(row));
    // RETURNING promises no order.
    std::ranges::sort(events, {}, &ClaimedEvent::seq);
    co_return events;
}

net::awaitable<Result<void>> OutboxSource::settle(std::vector<Settlement> settlements) {
    if (settlements.empty()) co_return Result<void>{};
    json::array verdicts;
    verdicts.reserve(settlements.size());
    for (auto& settlement : settlements) {
        verdicts.emplace_back(verdict_of(std::move(settlement)));
    }
    const auto now = impl_->options.now();
    auto values = parameters(
        milliseconds_of(now),
        resilience::detail::format_rfc3339(now),
        impl_->instance,
        json::serialize(verdicts)
    );
    auto done =
        co_await impl_->database.async_execute(sql::apply_verdicts, std::move(values));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

net::awaitable<Result<std::int64_t>> OutboxSource::reset_stale(
    std::chrono::milliseconds age
) {
    const auto since = impl_->now() - age.count();
    auto done =
        co_await impl_->database.async_execute(sql::free_stale, parameters(since));
    if (done) co_return done->affected();
    if (!blames_rows(done.error())) co_return done.error();
    co_return co_await impl_->free_stale_rows(since, done.error());
}

net::awaitable<Result<ClaimSource::Depth>> OutboxSource::depth() {
    auto values = parameters(impl_->options.max_depth);
    auto rows = co_await impl_->database.async_execute(sql::measure, std::move(values));
    if (!rows) co_return rows.error();
    const Row row = (*rows)[0];
    Depth depth{.events = number(row, 0)};
    if (const auto since = moment_of(std::string{row.text(1)})) {
        const auto age =
            std::chrono::floor<std::chrono::milliseconds>(impl_->options.now() - *since);
        depth.oldest = std::max(age, std::chrono::milliseconds{0});
    }
    co_return depth;
}

net::awaitable<Result<ClaimSource::Probe>> OutboxSource::probe() {
    const auto now = impl_->now();
    auto transaction = co_await Transaction::async_begin(impl_->database);
    if (!transaction) co_return transaction.error();
    const auto next =
        co_await transaction->async_execute(sql::next_due, impl_->candidates(now, 1));
    if (!next) co_return next.error();
    Probe probe;
    if (!next->empty()) probe.seq = number((*next)[0], 0);
    const auto tried =
        co_await transaction->async_execute(sql::claim_due, impl_->claim(now, 1));
    if (!tried) {
        if (!blames_rows(tried.error())) co_return tried.error();
        probe.refusal = tried.error();
    }
    // A refusal may have rolled it back already.
    const auto taken_back = co_await transaction->async_rollback();
    if (!taken_back && tried) co_return taken_back.error();
    co_return probe;
}

void OutboxSource::leave_out(std::vector<std::int64_t> rows) {
    impl_->left_out = json::serialize(json::array(rows.begin(), rows.end()));
}

net::awaitable<Result<void>> OutboxSource::give_up(std::int64_t row, std::string error) {
    auto values = parameters(
        resilience::detail::format_rfc3339(impl_->options.now()),
        row,
        tidy(std::move(error))
    );
    auto done = co_await impl_->database.async_execute(sql::give_up, std::move(values));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

}  // namespace resilience::sqlite
