// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_CONNECTION_HPP
#define RESILIENCE_POSTGRES_CONNECTION_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/postgres/connection_options.hpp>
#include <resilience/postgres/parameter.hpp>
#include <resilience/postgres/rows.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::postgres {

class Session;

/** One connection to PostgreSQL, never blocking.

    One operation at a time: a second one is refused with @ref Errc::invalid_request; a
    @ref Pool is where callers queue. An operation that outlives
    @ref ConnectionOptions::query_timeout, or is cancelled, is cancelled at the server
   too, and the connection stays usable if the server ends it within
    @ref ConnectionOptions::drain_timeout; otherwise the connection is closed.

    @par Errors of each operation
    @li Errc::unavailable Not connected. Nothing was sent.
    @li Errc::connection_lost The connection broke. The effect may have happened.
    @li Errc::timed_out_in_doubt, Errc::cancelled_in_doubt The deadline passed or the
        caller cancelled. The effect may have happened.
    @li Errc::closed @ref close was called meanwhile. The effect may have happened.
    @li Errc::invalid_request Another operation is under way. Nothing was sent.
    @li Those of @ref errc_of_sqlstate, with the server's text. No effect.

    @par Cancellation
    `terminal`, `partial` and `total`, each as described above. An answer that was on its
    way is returned.

    @par Thread safety
    Safe: work is serialised on a strand of the connection's own.

    @par Object lifetimes
    Operations keep what they need alive; the connection may be destroyed before them.
*/
class Connection {
public:
    using executor_type = net::any_io_executor;

    /// Makes a connection that is not open yet.
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit Connection(executor_type executor, ConnectionOptions options = {});
    Connection(Connection&&) noexcept = default;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    executor_type get_executor() const;

    /** Connects and authenticates.

        @par Errors
        @li Errc::unavailable No server could be reached, or it takes no connections now.
        @li Errc::access_denied It refused the credentials.
        @li Errc::bad_destination The database does not exist.
        @li Errc::timed_out, Errc::cancelled Nothing remains open.
        @li Errc::invalid_request The connection is open, or another operation is under
            way.
    */
    template <class Token = net::deferred_t>
    auto async_connect(Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [session = session_](auto handler) {
                connect(session, Handler<void>(std::move(handler)));
            },
            token
        );
    }

    /// Runs one command. Outside a transaction it is one of its own.
    template <class Token = net::deferred_t>
    auto async_execute(
        std::string sql, std::vector<Parameter> parameters = {}, Token&& token = {}
    ) {
        return net::async_initiate<Token, void(Result<Rows>)>(
            [session = session_](auto handler, Statement statement) {
                execute(session, std::move(statement), Handler<Rows>(std::move(handler)));
            },
            token,
            Statement{std::move(sql), std::move(parameters)}
        );
    }

    /** Runs commands one after another in a single round trip.

        Unless they contain BEGIN or COMMIT they are one transaction. After the first that
        fails none is run, and its failure is the result.
    */
    template <class Token = net::deferred_t>
    auto async_pipeline(std::vector<Statement> statements, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<std::vector<Rows>>)>(
            [session = session_](auto handler, std::vector<Statement> list) {
                pipeline(
                    session,
                    std::move(list),
                    Handler<std::vector<Rows>>(std::move(handler))
                );
            },
            token,
            std::move(statements)
        );
    }

    /** Runs a text of many commands without parameters, such as a migration.

        Unless it contains BEGIN or COMMIT it is one transaction.
    */
    template <class Token = net::deferred_t>
    auto async_run_script(std::string sql, Token&& token = {}) {
        return net::async_initiate<Token, void(Result<void>)>(
            [session = session_](auto handler, std::string text) {
                run_script(session, std::move(text), Handler<void>(std::move(handler)));
            },
            token,
            std::move(sql)
        );
    }

    /// Closes the connection; the operation under way fails. It may connect again.
    void close();

    bool is_open() const noexcept;

    /// Warnings that the server has sent; ascends for ever. Such as that a commit was not
    /// confirmed by a standby, which is no failure.
    std::uint64_t warnings() const noexcept;

private:
    friend class Transaction;
    friend class Pool;
    friend class PooledConnection;
    explicit Connection(std::shared_ptr<Session> session) noexcept;

    static void connect(const std::shared_ptr<Session>&, Handler<void>);
    static void execute(const std::shared_ptr<Session>&, Statement, Handler<Rows>);
    static void
    pipeline(const std::shared_ptr<Session>&, std::vector<Statement>, Handler<std::vector<Rows>>);
    static void run_script(const std::shared_ptr<Session>&, std::string, Handler<void>);

    std::shared_ptr<Session> session_;
};

}  // namespace resilience::postgres

#endif
