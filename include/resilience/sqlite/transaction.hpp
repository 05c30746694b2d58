// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_TRANSACTION_HPP
#define RESILIENCE_SQLITE_TRANSACTION_HPP

#include <resilience/outbox.hpp>
#include <resilience/sqlite/database.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::sqlite {

namespace detail {
struct TransactionState;
}

/** A transaction on a @ref Database, whose other users wait until it has ended.

    It holds the right to write from its beginning (`BEGIN IMMEDIATE`), so no statement of
    it loses against another process. After @ref DatabaseOptions::transaction_timeout it
    is rolled back. Destroyed without a commit it is rolled back.

    Its operations fail as those of @ref Database do. It goes on after a command that
    failed with @ref Errc::already_exists or @ref Errc::invalid_request; any other
   failure, and any of a script, rolls it back. Once it has ended its operations fail with
    @ref Errc::closed, or with @ref Errc::timed_out when it was open for too long.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class Transaction {
public:
    Transaction(Transaction&&) noexcept = default;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    /// Begins a transaction as soon as those before it have ended.
    template <class Token = net::deferred_t>
    static auto async_begin(Database& database, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<Transaction>)>(
            [worker = database.worker_](auto handler) {
                begin(worker, Handler<Transaction>(std::move(handler)));
            },
            token
        );
    }

    /// Runs one command.
    template <class Token = net::deferred_t>
    auto async_execute(
        std::string sql, std::vector<Parameter> parameters = {}, Token&& token = {}
    ) {
        return net::async_initiate<Token, void(Result<Rows>)>(
            [worker = worker_,
             state = state_](auto handler, std::string text, auto values) {
                execute(
                    worker,
                    state,
                    std::move(text),
                    std::move(values),
                    Handler<Rows>(std::move(handler))
                );
            },
            token,
            std::move(sql),
            std::move(parameters)
        );
    }

    /// Runs a text of many commands without parameters, such as a migration.
    template <class Token = net::deferred_t>
    auto async_run_script(std::string sql, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [worker = worker_, state = state_](auto handler, std::string text) {
                run_script(
                    worker, state, std::move(text), Handler<void>(std::move(handler))
                );
            },
            token,
            std::move(sql)
        );
    }

    /// Commits. With an error it is rolled back.
    template <class Token = net::deferred_t>
    auto async_commit(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [worker = worker_, state = state_](auto handler) {
                finish(worker, state, true, Handler<void>(std::move(handler)));
            },
            token
        );
    }

    /// Rolls back.
    template <class Token = net::deferred_t>
    auto async_rollback(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [worker = worker_, state = state_](auto handler) {
                finish(worker, state, false, Handler<void>(std::move(handler)));
            },
            token
        );
    }

private:
    friend class detail::Worker;
    using WorkerPointer = std::shared_ptr<detail::Worker>;
    using StatePointer = std::shared_ptr<detail::TransactionState>;
    Transaction(WorkerPointer worker, StatePointer state) noexcept;

    static void begin(const WorkerPointer&, Handler<Transaction>);
    static void
    execute(const WorkerPointer&, const StatePointer&, std::string, std::vector<Parameter>, Handler<Rows>);
    static void
    run_script(const WorkerPointer&, const StatePointer&, std::string, Handler<void>);
    static void
    finish(const WorkerPointer&, const StatePointer&, bool commit, Handler<void>);

    WorkerPointer worker_;
    StatePointer state_;
};

/** Begins a transaction, runs `work` and commits if it succeeded.

    @param work Takes `Transaction&`, returns `net::awaitable<Result<T>>`.
    @return What `work` returned, or the failure of any step.
*/
template <class Work>
std::invoke_result_t<Work&, Transaction&> with_transaction(
    Database& database, Work work
) {
    auto transaction = co_await Transaction::async_begin(database);
    if (!transaction) co_return transaction.error();
    auto result = co_await work(*transaction);
    if (!result) {
        (void)co_await transaction->async_rollback();
        co_return result;
    }
    auto committed = co_await transaction->async_commit();
    if (!committed) co_return committed.error();
    co_return result;
}

/// Writes a row of `outbox_events`; called by `Outbox::append`.
net::awaitable<Result<Uuid>> append_row(Transaction& transaction, Result<OutboxRow> row);

}  // namespace resilience::sqlite

#endif
