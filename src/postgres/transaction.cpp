// SPDX-License-Identifier: MIT
#include <resilience/postgres/transaction.hpp>

#include <resilience/asio/detail/run_on.hpp>

#include "session.hpp"

#include <atomic>

namespace resilience::postgres {

struct Transaction::State {
    std::shared_ptr<Session> session;
    std::string begin_sql;  // empty once it has been sent
    std::atomic<bool> begun = false;
    std::atomic<bool> ended = false;
    std::string first_failure;

    net::awaitable<Result<void>> begin();
    net::awaitable<Result<std::vector<Rows>>> run(std::vector<Statement> statements);
    net::awaitable<Result<void>> finish(bool commit);
};

namespace {

std::string begin_sql(const TransactionOptions& options) {
    std::string sql = "BEGIN ISOLATION LEVEL ";
    switch (options.isolation) {
        case Isolation::read_committed:
            sql += "READ COMMITTED";
            break;
        case Isolation::repeatable_read:
            sql += "REPEATABLE READ";
            break;
        case Isolation::serializable:
            sql += "SERIALIZABLE";
            break;
    }
    return sql += options.read_only ? " READ ONLY" : " READ WRITE";
}

std::vector<Statement> only(std::string sql) {
    std::vector<Statement> statements;
    statements.push_back({std::move(sql), {}});
    return statements;
}

}  // namespace

net::awaitable<Result<void>> Transaction::State::begin() {
    auto sent = co_await session->pipeline(only(std::move(begin_sql)), &begun);
    begin_sql.clear();
    if (!sent) co_return std::move(sent).error();
    co_return Result<void>{};
}

net::awaitable<Result<std::vector<Rows>>> Transaction::State::run(
    std::vector<Statement> statements
) {
    if (ended) co_return fail(Errc::invalid_request, "the transaction has ended");
    const bool begins = !begin_sql.empty();
    if (begins) statements.insert(statements.begin(), {begin_sql, {}});
    auto rows =
        co_await session->pipeline(std::move(statements), begins ? &begun : nullptr);
    if (begun) begin_sql.clear();
    if (!rows) {
        if (first_failure.empty()) first_failure = rows.error().message();
    } else if (begins) {
        rows->erase(rows->begin());
    }
    co_return rows;
}

net::awaitable<Result<void>> Transaction::State::finish(bool commit) {
    if (ended.exchange(true)) {
        co_return fail(Errc::invalid_request, "the transaction has ended");
    }
    if (!begun) co_return Result<void>{};
    auto rows = co_await session->pipeline(only(commit ? "COMMIT" : "ROLLBACK"));
    if (!rows) {
        if (commit) {
            session->abandon();
        } else {
            session->close();
        }
        co_return std::move(rows).error();
    }
    // The server answers COMMIT with ROLLBACK when a statement has failed.
    if (commit && rows->front().command() == "ROLLBACK") {
        co_return fail(Errc::invalid_request, "rolled back after: " + first_failure);
    }
    co_return Result<void>{};
}

Transaction::Transaction(std::shared_ptr<State> state) noexcept
    : state_(std::move(state)) {}

Transaction::~Transaction() {
    if (state_ && state_->begun && !state_->ended) state_->session->abandon();
}

void Transaction::begin(
    const std::shared_ptr<Session>& session,
    TransactionOptions options,
    Handler<Transaction> handler
) {
    auto state = std::make_shared<State>();
    state->session = session;
    state->begin_sql = begin_sql(options);
    const bool later = options.begin_with_first_statement;
    auto work = [](std::shared_ptr<State> kept,
                   bool wait) -> net::awaitable<Result<Transaction>> {
        // Owned from here on, so that a failure leaves nothing open behind.
        Transaction transaction{kept};
        if (!wait) {
            if (auto begun = co_await kept->begin(); !begun) co_return begun.error();
        } else if (!kept->session->is_open()) {
            co_return fail(Errc::unavailable, "not connected");
        }
        co_return std::move(transaction);
    };
    resilience::detail::run_on<Transaction>(
        session->executor(), work(state, later), std::move(handler)
    );
}

void Transaction::execute(
    const std::shared_ptr<State>& state, Statement statement, Handler<Rows> handler
) {
    auto work = [](std::shared_ptr<State> kept,
                   std::vector<Statement> list) -> net::awaitable<Result<Rows>> {
        auto rows = co_await kept->run(std::move(list));
        if (!rows) co_return std::move(rows).error();
        co_return std::move(rows->front());
    };
    std::vector<Statement> statements;
    statements.push_back(std::move(statement));
    resilience::detail::run_on<Rows>(
        state->session->executor(), work(state, std::move(statements)), std::move(handler)
    );
}

void Transaction::pipeline(
    const std::shared_ptr<State>& state,
    std::vector<Statement> statements,
    Handler<std::vector<Rows>> handler
) {
    auto work = [](std::shared_ptr<State> kept, std::vector<Statement> list
                ) -> net::awaitable<Result<std::vector<Rows>>> {
        co_return co_await kept->run(std::move(list));
    };
    resilience::detail::run_on<std::vector<Rows>>(
        state->session->executor(), work(state, std::move(statements)), std::move(handler)
    );
}

void Transaction::finish(
    const std::shared_ptr<State>& state, bool commit, Handler<void> handler
) {
    auto work = [](std::shared_ptr<State> kept,
                   bool chosen) -> net::awaitable<Result<void>> {
        co_return co_await kept->finish(chosen);
    };
    resilience::detail::run_on<void>(
        state->session->executor(), work(state, commit), std::move(handler)
    );
}

}  // namespace resilience::postgres
