// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_TRANSACTION_HPP
#define RESILIENCE_POSTGRES_TRANSACTION_HPP

#include <resilience/outbox.hpp>
#include <resilience/postgres/connection.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::postgres {

enum class Isolation : std::uint8_t { read_committed, repeatable_read, serializable };

/// Settings of a @ref Transaction.
struct TransactionOptions {
    /// Default @ref Isolation::read_committed.
    Isolation isolation = Isolation::read_committed;
    /// Default false.
    bool read_only = false;
    /// Sends BEGIN together with the first statement, which saves a round trip. Default
    /// false.
    bool begin_with_first_statement = false;
};

/** A transaction on a @ref Connection, which must not be used otherwise meanwhile.

    Destroyed without a commit it is never committed: whoever uses the connection next
    rolls it back first, and a @ref Pool does so before it lends the connection again.

    Its operations fail as those of @ref Connection do, and once it has ended with
    @ref Errc::invalid_request.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class Transaction {
public:
    Transaction(Transaction&&) noexcept = default;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    /** Begins a transaction.

        @par Errors
        @li Errc::invalid_request The connection is in a transaction already.
    */
    template <class Token = net::deferred_t>
    static auto async_begin(
        Connection& connection, TransactionOptions options = {}, Token&& token = {}
    ) {
        return net::async_initiate<Token, void(Result<Transaction>)>(
            [session = connection.session_](auto handler, TransactionOptions chosen) {
                begin(session, chosen, Handler<Transaction>(std::move(handler)));
            },
            token,
            options
        );
    }

    /// Runs one command. After a failure only @ref async_rollback succeeds.
    template <class Token = net::deferred_t>
    auto async_execute(
        std::string sql, std::vector<Parameter> parameters = {}, Token&& token = {}
    ) {
        return net::async_initiate<Token, void(Result<Rows>)>(
            [state = state_](auto handler, Statement statement) {
                execute(state, std::move(statement), Handler<Rows>(std::move(handler)));
            },
            token,
            Statement{std::move(sql), std::move(parameters)}
        );
    }

    /// Runs commands in a single round trip; after the first that fails none is run.
    template <class Token = net::deferred_t>
    auto async_pipeline(std::vector<Statement> statements, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<std::vector<Rows>>)>(
            [state = state_](auto handler, std::vector<Statement> list) {
                pipeline(
                    state, std::move(list), Handler<std::vector<Rows>>(std::move(handler))
                );
            },
            token,
            std::move(statements)
        );
    }

    /** Commits.

        @par Errors
        @li Errc::connection_lost, Errc::timed_out_in_doubt, Errc::cancelled_in_doubt The
            transaction may be committed or not.
        @li Errc::invalid_request A statement had failed: it is rolled back.
        @li Errc::serialization_conflict It is rolled back and may be tried again.
    */
    template <class Token = net::deferred_t>
    auto async_commit(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [state = state_](auto handler) {
                finish(state, true, Handler<void>(std::move(handler)));
            },
            token
        );
    }

    /// Rolls back. With an error the connection is closed, which rolls back too.
    template <class Token = net::deferred_t>
    auto async_rollback(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [state = state_](auto handler) {
                finish(state, false, Handler<void>(std::move(handler)));
            },
            token
        );
    }

private:
    struct State;
    explicit Transaction(std::shared_ptr<State> state) noexcept;

    static void
    begin(const std::shared_ptr<Session>&, TransactionOptions, Handler<Transaction>);
    static void execute(const std::shared_ptr<State>&, Statement, Handler<Rows>);
    static void
    pipeline(const std::shared_ptr<State>&, std::vector<Statement>, Handler<std::vector<Rows>>);
    static void finish(const std::shared_ptr<State>&, bool commit, Handler<void>);

    std::shared_ptr<State> state_;
};

/// Writes a row of `outbox_events`; called by `Outbox::append`.
net::awaitable<Result<Uuid>> append_row(Transaction& transaction, Result<OutboxRow> row);

}  // namespace resilience::postgres

#endif
