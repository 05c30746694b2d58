// SPDX-License-Identifier: MIT
#include <resilience/postgres/outbox_source.hpp>

#include "outbox_event.hpp"
#include "outbox_sql.hpp"
#include "storable_text.hpp"

#include <resilience/postgres/transaction.hpp>

#include <limits>
#include <random>
#include <set>
#include <stdexcept>

namespace resilience::postgres {
namespace {

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
    std::vector<std::int64_t> left_out;

    Statement claim_statement(std::size_t limit) const {
        return once(
            sql::with_limit(sql::claim, limit),
            parameters(max_batch_bytes, Parameter::array(left_out), instance)
        );
    }

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

    net::awaitable<Result<std::vector<Rows>>> transact_by_index(Statement statement) {
        std::vector<Statement> statements;
        statements.push_back(once(sql::plan_by_index));
        statements.push_back(std::move(statement));
        co_return co_await transact(std::move(statements));
    }

    // Frees the rows that can be freed, where all together were refused.
    net::awaitable<Result<std::int64_t>> reset_stale_rows(
        std::chrono::milliseconds age, Failure refusal
    ) {
        auto found =
            co_await transact_by_index(once(sql::stale_rows, parameters(age.count())));
        if (!found) co_return std::move(found).error();
        std::int64_t freed = 0;
        for (const auto row : found->back()) {
            const auto done = co_await transact_by_index(
                once(sql::reset_stale_row, parameters(age.count(), row.text(0)))
            );
            if (done) {
                freed += done->back().affected();
            } else if (!blames_rows(done.error())) {
                co_return done.error();
            }
        }
        if (freed == 0) co_return refusal;
        co_return freed;
    }
};

OutboxSource::OutboxSource(Pool& pool, OutboxSourceOptions options)
    : impl_(new Impl{
          pool,
          (options.instance == Uuid{} ? new_instance() : options.instance).to_string(),
          options.max_batch_bytes,
          options.max_depth,
          {},
          false,
          {}}) {
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
    statements.push_back(impl_->claim_statement(limit));
    auto rows = co_await impl_->transact(std::move(statements));
    if (!rows) {
        if (is_in_doubt(rows.error().code)) impl_->claim_in_doubt = true;
        co_return std::move(rows).error();
    }
    impl_->claim_in_doubt = false;
    std::vector<ClaimedEvent> events;
    events.reserve(rows->back().size());
    for (const auto row : rows->back()) {
        events.push_back(read_event(row));
        impl_->held.insert(events.back().seq);
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
    auto rows =
        co_await impl_->transact_by_index(once(sql::reset_stale, parameters(age.count()))
        );
    if (rows) co_return rows->back().affected();
    if (!blames_rows(rows.error())) co_return std::move(rows).error();
    co_return co_await impl_->reset_stale_rows(age, rows.error());
}

net::awaitable<Result<ClaimSource::Depth>> OutboxSource::depth() {
    auto rows =
        co_await impl_->transact_by_index(once(sql::depth, parameters(impl_->max_depth)));
    if (!rows) co_return std::move(rows).error();
    const auto row = rows->back()[0];
    const auto events = row.int64(0);
    const auto oldest = row.int64(1);
    if (!events) co_return events.error();
    if (!oldest) co_return oldest.error();
    co_return Depth{*events, std::chrono::milliseconds{*oldest}};
}

net::awaitable<Result<ClaimSource::Probe>> OutboxSource::probe() {
    auto connection = co_await impl_->pool.async_acquire();
    if (!connection) co_return std::move(connection).error();
    auto transaction = co_await Transaction::async_begin(**connection);
    if (!transaction) co_return std::move(transaction).error();
    std::vector<Statement> look;
    look.push_back(once(sql::plan_by_index));
    look.push_back(once(sql::claim_lock));
    look.push_back(once(
        sql::with_limit(sql::next_due, 1),
        parameters(impl_->max_batch_bytes, Parameter::array(impl_->left_out))
    ));
    const auto found = co_await transaction->async_pipeline(std::move(look));
    if (!found) co_return found.error();
    Probe probe;
    if (!found->back().empty()) {
        const auto seq = found->back()[0].int64(0);
        if (!seq) co_return seq.error();
        probe.seq = *seq;
    }
    std::vector<Statement> trial;
    trial.push_back(impl_->claim_statement(1));
    const auto tried = co_await transaction->async_pipeline(std::move(trial));
    if (!tried) {
        if (!blames_rows(tried.error())) co_return tried.error();
        probe.refusal = tried.error();
    }
    const auto taken_back = co_await transaction->async_rollback();
    if (!taken_back) co_return taken_back.error();
    co_return probe;
}

void OutboxSource::leave_out(std::vector<std::int64_t> rows) {
    impl_->left_out = std::move(rows);
}

net::awaitable<Result<void>> OutboxSource::give_up(std::int64_t row, std::string error) {
    auto done = co_await impl_->transact_by_index(
        once(sql::give_up, parameters(row, storable(std::move(error))))
    );
    if (!done) co_return std::move(done).error();
    co_return Result<void>{};
}

}  // namespace resilience::postgres
