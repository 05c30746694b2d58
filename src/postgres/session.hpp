// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_SESSION_HPP
#define RESILIENCE_SRC_POSTGRES_SESSION_HPP

#include "libpq.hpp"
#include "statement_cache.hpp"

#include <resilience/postgres/connection_options.hpp>
#include <resilience/postgres/parameter.hpp>
#include <resilience/postgres/rows.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace resilience::postgres {

/** What a @ref Connection, its transactions and its operations share.

    The coroutines run on @ref executor, one at a time; `close`, `abandon`, `is_open`,
    `busy` and `warnings` may be called from anywhere, the rest while no operation is
   under way.
*/
class Session : public std::enable_shared_from_this<Session> {
public:
    Session(net::any_io_executor executor, ConnectionOptions options);
    ~Session();

    const net::any_io_executor& executor() const noexcept { return strand_; }
    const net::any_io_executor& outer_executor() const noexcept { return outer_; }

    net::awaitable<Result<void>> connect();

    /// @param begun Given when the first statement begins a transaction: none may be open
    ///     then, and it becomes true when the statements are sent.
    net::awaitable<Result<std::vector<Rows>>> pipeline(
        std::vector<Statement> statements, std::atomic<bool>* begun = nullptr
    );
    net::awaitable<Result<void>> run_script(std::string sql);

    /// Leaves no transaction open; closes the connection if that fails.
    net::awaitable<void> reset();

    void close();

    /// The open transaction is to be rolled back before anything else is done.
    void abandon() noexcept { abandoned_ = true; }

    bool is_open() const noexcept { return open_; }
    bool busy() const noexcept { return busy_; }
    std::uint64_t warnings() const noexcept { return warnings_; }

    /// Whether the server has not hung up while nobody was looking.
    bool healthy() noexcept;

    /// Whether no transaction is open or left behind.
    bool clean() const noexcept;

private:
    class Operation;
    struct Batch;
    enum class Interrupt : std::uint8_t { none, deadline, cancelled, closed };

    net::awaitable<std::optional<Failure>> enter();
    net::awaitable<Result<void>> dial();
    net::awaitable<Result<std::vector<Rows>>> rounds(Batch& batch);
    net::awaitable<Result<std::vector<Rows>>> interrupted(Batch& batch, bool flushed);
    net::awaitable<Result<std::vector<Rows>>> exchange(
        const std::vector<Statement>& statements
    );
    net::awaitable<void> wait(bool readable, bool writable);

    static void take_notice(void* session, const PGresult* notice);
    std::optional<Failure> queue(const std::vector<Statement>& statements, Batch& batch);
    bool queue_statement(const Statement& statement, Batch& batch);
    void take(Batch& batch);
    Result<std::vector<Rows>> outcome(Batch& batch);
    Failure lost(Batch& batch);
    Failure reason(Interrupt why) const;
    bool consume() noexcept;
    bool request_cancel();
    void arm(std::chrono::milliseconds limit);
    void interrupt(Interrupt why);
    bool watch();
    bool idle() const noexcept;
    void shut() noexcept;

    net::any_io_executor outer_;
    net::any_io_executor strand_;
    ConnectionOptions options_;
    net::posix::stream_descriptor socket_;
    net::steady_timer timer_;
    PGconn* connection_ = nullptr;
    StatementCache cache_;

    Interrupt interrupt_ = Interrupt::none;
    std::uint64_t epoch_ = 0;  // tells a late timer that its operation is over
    bool draining_ = false;
    bool cancel_sent_ = false;  // the request has been handled by the server
    std::atomic<bool> busy_ = false;
    std::atomic<bool> open_ = false;
    std::atomic<bool> abandoned_ = false;
    std::atomic<std::uint64_t> warnings_ = 0;
};

}  // namespace resilience::postgres

#endif
