// SPDX-License-Identifier: MIT
#include <resilience/sqlite/outbox_source.hpp>

#include <resilience/detail/rfc3339.hpp>
#include <resilience/detail/utf8.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

namespace resilience::sqlite {
namespace {

namespace json = boost::json;

constexpr std::size_t error_bytes = 2000;

// A look that takes no lock: an idle relay must not keep writers waiting.
constexpr const char* any_due =
    "SELECT 1 FROM outbox_events WHERE status = 'NEW' AND available_at <= ?1 LIMIT 1";

// ?1 now in milliseconds, ?2 this source, ?3 rows, ?4 bytes. The keys are compared with
// IS, which the indexes serve, for a key may be NULL.
constexpr const char* claim_due = R"sql(
UPDATE outbox_events SET status = 'PROCESSING', claimed_at = ?1, claimed_by = ?2
WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, size, sum(size) OVER (ORDER BY seq) AS upto FROM (
            SELECT due.seq, length(CAST(due.event_data AS BLOB)) AS size
            FROM outbox_events AS due
            WHERE due.status = 'NEW' AND due.available_at <= ?1
              AND NOT EXISTS (
                  SELECT 1 FROM outbox_events AS held
                  WHERE held.status = 'PROCESSING' AND held.seq < due.seq
                    AND held.partition_key IS due.partition_key
                    AND (due.partition_key IS NOT NULL
                         OR held.aggregate_id = due.aggregate_id))
              AND NOT EXISTS (
                  SELECT 1 FROM outbox_events AS later
                  WHERE later.status = 'NEW' AND later.retry_count > 0
                    AND later.available_at > ?1 AND later.seq < due.seq
                    AND later.partition_key IS due.partition_key
                    AND (due.partition_key IS NOT NULL
                         OR later.aggregate_id = due.aggregate_id))
            ORDER BY due.seq LIMIT ?3))
    WHERE upto - size < ?4)
RETURNING seq, id, aggregate_type, aggregate_id, event_type, event_data, topic,
          partition_key, created_at, retry_count, max_retries, headers
)sql";

// ?1 now in milliseconds, ?2 now as text, ?3 this source, ?4 the verdicts: an array of
// [seq, status, failures, delay in milliseconds, error]. Only a released row keeps the
// error of an earlier failure.
constexpr const char* apply_verdicts = R"sql(
UPDATE outbox_events SET
    status = verdict.status,
    processed_at = CASE WHEN verdict.status = 'NEW' THEN NULL ELSE ?2 END,
    retry_count = retry_count + verdict.failures,
    error_message = CASE WHEN verdict.status = 'NEW' AND verdict.failures = 0
                         THEN error_message ELSE verdict.error END,
    available_at = ?1 + verdict.delay, claimed_at = NULL, claimed_by = NULL
FROM (SELECT json_extract(value, '$[0]') AS seq, json_extract(value, '$[1]') AS status,
             json_extract(value, '$[2]') AS failures, json_extract(value, '$[3]') AS delay,
             json_extract(value, '$[4]') AS error
      FROM json_each(?4)) AS verdict
WHERE outbox_events.seq = verdict.seq AND outbox_events.status = 'PROCESSING'
  AND outbox_events.claimed_by = ?3
)sql";

constexpr const char* free_stale =
    "UPDATE outbox_events SET status = 'NEW', claimed_at = NULL, claimed_by = NULL"
    " WHERE status = 'PROCESSING' AND claimed_at <= ?1";

// The oldest is the first written: the times are what writers say they are, and sorting
// a long table by them would cost a visit to each row.
constexpr const char* measure = R"sql(
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'NEW' LIMIT ?1))
     + (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'PROCESSING'
                              LIMIT ?1)),
       (SELECT created_at FROM outbox_events WHERE seq = (SELECT min(seq) FROM (
            SELECT min(seq) AS seq FROM outbox_events WHERE status = 'NEW'
            UNION ALL
            SELECT min(seq) FROM outbox_events WHERE status = 'PROCESSING')))
)sql";

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

std::vector<Header> headers_of(std::string_view text) {
    std::vector<Header> headers;
    json::error_code ec;
    const auto parsed = json::parse({text.data(), text.size()}, ec);
    if (ec || !parsed.is_object()) return headers;
    for (const auto& [name, value] : parsed.get_object()) {
        if (!value.is_string()) continue;
        const auto& words = value.get_string();
        headers.emplace_back(std::string{name}, std::string{words.begin(), words.end()});
    }
    return headers;
}

// The schema keeps the column a whole number.
std::int64_t number(const Row& row, std::size_t column) {
    const auto value = row.int64(column);
    return value ? *value : 0;
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
    event.created_at = resilience::detail::parse_rfc3339(row.text(8));
    claimed.retry_count = static_cast<std::int32_t>(number(row, 9));
    event.max_retries = static_cast<std::int32_t>(number(row, 10));
    event.headers = headers_of(row.text(11));
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

    std::int64_t now() const { return milliseconds_of(options.now()); }
};

OutboxSource::OutboxSource(Database& database, OutboxSourceOptions options)
    : impl_(new Impl{database, checked(std::move(options))}) {}

OutboxSource::~OutboxSource() = default;

net::awaitable<Result<std::vector<ClaimedEvent>>> OutboxSource::claim(std::size_t limit) {
    auto& database = impl_->database;
    const auto now = impl_->now();
    auto due = co_await database.async_execute(any_due, parameters(now));
    if (!due) co_return due.error();
    std::vector<ClaimedEvent> events;
    if (due->empty()) co_return events;

    auto values = parameters(now, impl_->instance, limit, impl_->options.max_batch_bytes);
    auto rows = co_await database.async_execute(claim_due, std::move(values));
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
    auto done = co_await impl_->database.async_execute(apply_verdicts, std::move(values));
    if (!done) co_return done.error();
    co_return Result<void>{};
}

net::awaitable<Result<std::int64_t>> OutboxSource::reset_stale(
    std::chrono::milliseconds age
) {
    auto values = parameters(impl_->now() - age.count());
    auto done = co_await impl_->database.async_execute(free_stale, std::move(values));
    if (!done) co_return done.error();
    co_return done->affected();
}

net::awaitable<Result<ClaimSource::Depth>> OutboxSource::depth() {
    auto values = parameters(impl_->options.max_depth);
    auto rows = co_await impl_->database.async_execute(measure, std::move(values));
    if (!rows) co_return rows.error();
    const Row row = (*rows)[0];
    Depth depth{.events = number(row, 0)};
    if (const auto since = resilience::detail::parse_rfc3339(row.text(1))) {
        const auto age =
            std::chrono::floor<std::chrono::milliseconds>(impl_->options.now() - *since);
        depth.oldest = std::max(age, std::chrono::milliseconds{0});
    }
    co_return depth;
}

}  // namespace resilience::sqlite
