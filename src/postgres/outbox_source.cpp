// SPDX-License-Identifier: MIT
#include <resilience/postgres/outbox_source.hpp>

#include "outbox_sql.hpp"

#include <resilience/detail/utf8.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <limits>
#include <random>
#include <set>
#include <stdexcept>

namespace resilience::postgres {
namespace {

constexpr std::size_t longest_error = 4096;

Uuid new_instance() {
    std::random_device device;
    const auto word = [&device] {
        return (static_cast<std::uint64_t>(device()) << 32) | device();
    };
    return Uuid::v7(WallClock::now(), {word(), word()});
}

std::string_view name_of(Disposition disposition) {
    switch (disposition) {
        case Disposition::sent:
            return "sent";
        case Disposition::retry:
            return "retry";
        case Disposition::failed:
            return "failed";
        case Disposition::released:
            break;
    }
    return "released";
}

// A peer's words may be anything; the row must be settled all the same.
std::string storable(std::string text) {
    if (text.size() > longest_error) {
        text.resize(longest_error);
        for (int i = 0; i < 3 && !resilience::detail::is_storable_text(text); ++i) {
            text.pop_back();
        }
    }
    if (resilience::detail::is_storable_text(text)) return text;
    for (char& c : text) {
        if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
    return text;
}

std::vector<Header> read_headers(std::string_view text) {
    std::vector<Header> headers;
    boost::json::error_code error;
    const auto json = boost::json::parse(text, error);
    // A foreign writer may have stored something else; it has no names to send.
    if (error || !json.is_object()) return headers;
    for (const auto& [name, value] : json.get_object()) {
        headers.emplace_back(
            std::string{name},
            value.is_string() ? std::string{value.get_string()}
                              : boost::json::serialize(value)
        );
    }
    return headers;
}

Result<ClaimedEvent> read_event(const Row& row) {
    const auto seq = row.int64(0);
    const auto retry_count = row.int64(1);
    const auto created = row.int64(10);
    const auto max_retries = row.int64(11);
    if (!seq) return seq.error();
    if (!retry_count) return retry_count.error();
    if (!max_retries) return max_retries.error();
    ClaimedEvent claimed;
    claimed.seq = *seq;
    claimed.retry_count = static_cast<std::int32_t>(*retry_count);
    auto& event = claimed.event;
    event.id = row.text(2);
    event.aggregate_type = row.text(3);
    event.aggregate_id = row.text(4);
    event.event_type = row.text(5);
    event.event_data = row.text(6);
    event.topic = row.text(7);
    if (!row.is_null(8)) event.partition_key = std::string{row.text(8)};
    event.headers = read_headers(row.text(9));
    // Somebody else's row may hold a time that the clock of this program cannot.
    constexpr std::int64_t clock_range = std::numeric_limits<std::int64_t>::max() / 1000;
    if (created && *created > -clock_range && *created < clock_range) {
        event.created_at = WallClock::time_point{
            std::chrono::duration_cast<WallClock::duration>(std::chrono::microseconds{
                *created})};
    }
    event.max_retries = static_cast<std::int32_t>(*max_retries);
    return claimed;
}

Statement once(std::string_view text, std::vector<Parameter> values = {}) {
    return {std::string{text}, std::move(values)};
}

}  // namespace

struct OutboxSource::Impl {
    Pool& pool;
    std::string instance;
    std::size_t max_batch_bytes;
    std::int64_t max_depth;
    std::set<std::int64_t> held;  // claimed and not settled yet
    bool claim_in_doubt = false;

    // Runs `middle` in one transaction and one round trip; yields the results of
    // `middle`.
    net::awaitable<Result<std::vector<Rows>>> transact(std::vector<Statement> middle) {
        auto connection = co_await pool.async_acquire();
        if (!connection) co_return std::move(connection).error();
        std::vector<Statement> all;
        all.push_back(once("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
        for (auto& statement : middle) all.push_back(std::move(statement));
        all.push_back(once("COMMIT"));
        auto rows = co_await (*connection)->async_pipeline(std::move(all));
        if (!rows) co_return std::move(rows).error();
        rows->erase(rows->begin());
        rows->pop_back();
        co_return std::move(*rows);
    }
};

OutboxSource::OutboxSource(Pool& pool, OutboxSourceOptions options)
    : impl_(new Impl{
          pool,
          (options.instance == Uuid{} ? new_instance() : options.instance).to_string(),
          options.max_batch_bytes,
          options.max_depth,
          {},
          false}) {
    if (options.max_batch_bytes == 0 ||
        options.max_batch_bytes > std::numeric_limits<std::int64_t>::max()) {
        throw std::invalid_argument("max_batch_bytes: must be positive");
    }
    if (options.max_depth < 1) {
        throw std::invalid_argument("max_depth: must be at least 1");
    }
}

OutboxSource::~OutboxSource() = default;

net::awaitable<Result<std::vector<ClaimedEvent>>> OutboxSource::claim(std::size_t limit) {
    std::vector<Statement> statements;
    if (impl_->claim_in_doubt) {
        const std::vector<std::int64_t> known{impl_->held.begin(), impl_->held.end()};
        statements.push_back(once(
            sql::release_unknown, parameters(impl_->instance, Parameter::array(known))
        ));
    }
    statements.push_back(once(sql::plan_by_index));
    statements.push_back(once(sql::claim_durably));
    statements.push_back(once(sql::claim_lock));
    statements.push_back(once(
        sql::with_limit(sql::claim, limit),
        parameters(impl_->max_batch_bytes, impl_->instance)
    ));
    auto rows = co_await impl_->transact(std::move(statements));
    if (!rows) {
        if (is_in_doubt(rows.error().code)) impl_->claim_in_doubt = true;
        co_return std::move(rows).error();
    }
    impl_->claim_in_doubt = false;
    std::vector<ClaimedEvent> events;
    events.reserve(rows->back().size());
    for (const auto row : rows->back()) {
        auto event = read_event(row);
        if (!event) {
            impl_->claim_in_doubt = true;
            co_return std::move(event).error();
        }
        impl_->held.insert(event->seq);
        events.push_back(std::move(*event));
    }
    co_return events;
}

net::awaitable<Result<void>> OutboxSource::settle(std::vector<Settlement> settlements) {
    if (settlements.empty()) co_return Result<void>{};
    std::vector<std::int64_t> seqs;
    std::vector<std::string> dispositions;
    std::vector<std::int64_t> delays;
    std::vector<std::string> errors;
    for (auto& settlement : settlements) {
        seqs.push_back(settlement.seq);
        dispositions.emplace_back(name_of(settlement.disposition));
        delays.push_back(
            std::chrono::ceil<std::chrono::microseconds>(settlement.delay).count()
        );
        errors.push_back(storable(std::move(settlement.error)));
    }
    std::vector<Statement> statements;
    statements.push_back(once(sql::plan_settle));
    statements.push_back(once(
        sql::settle,
        parameters(
            impl_->instance,
            Parameter::array(seqs),
            Parameter::array(dispositions),
            Parameter::array(delays),
            Parameter::array(errors)
        )
    ));
    auto rows = co_await impl_->transact(std::move(statements));
    if (!rows) co_return std::move(rows).error();
    for (const auto seq : seqs) impl_->held.erase(seq);
    co_return Result<void>{};
}

net::awaitable<Result<std::int64_t>> OutboxSource::reset_stale(
    std::chrono::milliseconds age
) {
    std::vector<Statement> statements;
    statements.push_back(once(sql::plan_by_index));
    statements.push_back(once(sql::reset_stale, parameters(age.count())));
    auto rows = co_await impl_->transact(std::move(statements));
    if (!rows) co_return std::move(rows).error();
    co_return rows->back().affected();
}

net::awaitable<Result<ClaimSource::Depth>> OutboxSource::depth() {
    std::vector<Statement> statements;
    statements.push_back(once(sql::plan_by_index));
    statements.push_back(once(sql::depth, parameters(impl_->max_depth)));
    auto rows = co_await impl_->transact(std::move(statements));
    if (!rows) co_return std::move(rows).error();
    const auto row = rows->back()[0];
    const auto events = row.int64(0);
    const auto oldest = row.int64(1);
    if (!events) co_return events.error();
    if (!oldest) co_return oldest.error();
    co_return Depth{*events, std::chrono::milliseconds{*oldest}};
}

}  // namespace resilience::postgres
