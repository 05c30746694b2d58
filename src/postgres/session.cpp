// SPDX-License-Identifier: MIT
#include "session.hpp"

#include "cancel_service.hpp"
#include "session_batch.hpp"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace resilience::postgres {

/// Marks the session as busy and bounds the time that takes.
class Session::Operation {
public:
    Operation(Session& session, std::chrono::milliseconds limit) : session_(session) {
        session_.busy_ = true;
        session_.interrupt_ = Interrupt::none;
        session_.draining_ = false;
        session_.arm(limit);
    }
    ~Operation() {
        ++session_.epoch_;
        session_.timer_.cancel();
        session_.busy_ = false;
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

private:
    Session& session_;
};

Session::~Session() { shut(); }

net::awaitable<std::optional<Failure>> Session::enter() {
    const auto before = co_await net::this_coro::cancellation_state;
    if (before.cancelled() != net::cancellation_type::none) {
        co_return fail(Errc::cancelled);
    }
    co_await net::this_coro::reset_cancellation_state(net::enable_total_cancellation());
    co_await net::this_coro::throw_if_cancelled(false);
    if (busy_) {
        co_return fail(Errc::invalid_request, "another operation is under way");
    }
    co_return std::nullopt;
}

net::awaitable<Result<void>> Session::connect() {
    if (auto refused = co_await enter()) co_return std::move(*refused);
    if (open_) co_return fail(Errc::invalid_request, "the connection is open");
    const Operation operation{*this, options_.connect_timeout};
    auto connected = co_await dial();
    if (!connected) shut();
    co_return connected;
}

net::awaitable<Result<std::vector<Rows>>> Session::pipeline(
    std::vector<Statement> statements, std::atomic<bool>* begun
) {
    if (auto refused = co_await enter()) co_return std::move(*refused);
    if (!open_) co_return fail(Errc::unavailable, "not connected");
    const Operation operation{*this, options_.query_timeout};
    if (abandoned_) {
        abandoned_ = false;
        if (!idle()) {
            const std::vector<Statement> rollback{{"ROLLBACK", {}}};
            const auto ended = co_await exchange(rollback);
            if (!ended || draining_ || !idle()) {
                shut();
                co_return fail(Errc::unavailable, "an abandoned transaction did not end");
            }
        }
    }
    if (begun) {
        if (!idle()) {
            co_return fail(Errc::invalid_request, "the connection is in a transaction");
        }
        *begun = true;
    }
    co_return co_await exchange(statements);
}

net::awaitable<Result<void>> Session::run_script(std::string sql) {
    if (auto refused = co_await enter()) co_return std::move(*refused);
    if (!open_) co_return fail(Errc::unavailable, "not connected");
    if (sql.find('\0') != std::string::npos) {
        co_return fail(Errc::invalid_request, "the script holds a NUL");
    }
    const Operation operation{*this, options_.query_timeout};
    Batch batch;
    batch.script = true;
    if (PQsendQuery(connection_, sql.c_str()) == 0) co_return lost(batch);
    const auto done = co_await rounds(batch);
    if (!done) co_return done.error();
    co_return Result<void>{};
}

net::awaitable<void> Session::reset() {
    if (!open_) co_return;
    abandon();
    // A statement that does nothing is enough: what was abandoned is ended before it.
    const std::vector<Statement> nothing;
    const auto ended = co_await pipeline(nothing);
    if (!ended || !clean()) shut();
}

net::awaitable<Result<std::vector<Rows>>> Session::exchange(
    const std::vector<Statement>& statements
) {
    Batch batch;
    if (auto refused = queue(statements, batch)) co_return std::move(*refused);
    co_return co_await rounds(batch);
}

net::awaitable<Result<std::vector<Rows>>> Session::rounds(Batch& batch) {
    bool flushed = false;
    for (;;) {
        if (!flushed) {
            const int left = PQflush(connection_);
            if (left < 0) co_return lost(batch);
            flushed = left == 0;
        }
        while (!batch.over() && !PQisBusy(connection_)) take(batch);
        if (batch.over()) co_return outcome(batch);
        co_await wait(true, !flushed);
        if (interrupt_ != Interrupt::none) co_return co_await interrupted(batch, flushed);
        if (!consume()) {
            // What the server said before it hung up may explain why.
            while (!batch.over() && !PQisBusy(connection_)) take(batch);
            co_return lost(batch);
        }
    }
}

// The answer of a request that nobody waits for any more must still be read, else it
// would be taken for that of the next. The cancel request must have been handled too,
// else it could hit the next statement.
net::awaitable<Result<std::vector<Rows>>> Session::interrupted(
    Batch& batch, bool flushed
) {
    const auto why = std::exchange(interrupt_, Interrupt::none);
    if (why == Interrupt::closed || !flushed || !request_cancel()) {
        shut();
        co_return reason(why);
    }
    draining_ = true;
    arm(options_.drain_timeout);
    for (;;) {
        while (!batch.over() && !PQisBusy(connection_)) take(batch);
        if (batch.broken || (batch.over() && cancel_sent_)) break;
        co_await wait(true, false);
        if (interrupt_ != Interrupt::none || !consume()) {
            shut();
            co_return reason(why);
        }
    }
    const bool obeyed = batch.sqlstate == "57014";
    auto result = outcome(batch);
    if (!result && obeyed) co_return reason(why);
    co_return result;
}

net::awaitable<void> Session::wait(bool readable, bool writable) {
    using net::posix::stream_descriptor;
    if (interrupt_ != Interrupt::none) co_return;
    if (readable && writable) {
        co_await net::experimental::make_parallel_group(
            socket_.async_wait(stream_descriptor::wait_read, net::deferred),
            socket_.async_wait(stream_descriptor::wait_write, net::deferred)
        )
            .async_wait(
                net::experimental::wait_for_one(), net::as_tuple(net::use_awaitable)
            );
    } else {
        co_await socket_.async_wait(
            readable ? stream_descriptor::wait_read : stream_descriptor::wait_write,
            net::as_tuple(net::use_awaitable)
        );
    }
    const auto state = co_await net::this_coro::cancellation_state;
    const bool cancelled = state.cancelled() != net::cancellation_type::none;
    if (cancelled && !draining_ && interrupt_ == Interrupt::none) {
        interrupt_ = Interrupt::cancelled;
    }
}

Result<std::vector<Rows>> Session::outcome(Batch& batch) {
    if (batch.broken) return lost(batch);
    if (!batch.script && PQexitPipelineMode(connection_) == 0) {
        batch.failure = fail(Errc::protocol_error, message_of(connection_));
        return lost(batch);
    }
    if (batch.failure) return std::move(*batch.failure);
    return std::move(batch.rows);
}

Failure Session::lost(Batch& batch) {
    auto failure = batch.failure ? std::move(*batch.failure)
                                 : fail(Errc::connection_lost, message_of(connection_));
    shut();
    return failure;
}

Failure Session::reason(Interrupt why) const {
    switch (why) {
        case Interrupt::deadline:
            return fail(
                Errc::timed_out_in_doubt,
                "within " + std::to_string(options_.query_timeout.count()) + " ms"
            );
        case Interrupt::cancelled:
            return fail(Errc::cancelled_in_doubt);
        case Interrupt::closed:
            return fail(Errc::closed);
        case Interrupt::none:
            break;
    }
    return fail(Errc::internal);
}

bool Session::consume() noexcept {
    do {
        if (PQconsumeInput(connection_) == 0) return false;
        // Some versions of libpq leave decrypted bytes in its TLS layer. They make no
        // socket readable: a wait for them would last for ever.
        auto* const tls = static_cast<SSL*>(PQsslStruct(connection_, "OpenSSL"));
        if (!tls || SSL_pending(tls) == 0) return true;
    } while (true);
}

void Session::take_notice(void* session, const PGresult* notice) {
    const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && std::string_view{severity} == "WARNING") {
        ++static_cast<Session*>(session)->warnings_;
    }
}

bool Session::request_cancel() {
    cancel_sent_ = false;
    CancelPtr cancel{PQgetCancel(connection_)};
    if (!cancel) return false;
    auto& context = net::query(strand_, net::execution::context);
    auto& service = net::use_service<CancelService>(context);
    return service.send(std::move(cancel), [weak = weak_from_this(), epoch = epoch_] {
        const auto self = weak.lock();
        if (!self) return;
        net::post(self->strand_, [self, epoch] {
            if (epoch != self->epoch_) return;
            self->cancel_sent_ = true;
            self->socket_.cancel();
        });
    });
}

void Session::arm(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([weak = weak_from_this(), epoch = epoch_](auto error) {
        const auto self = weak.lock();
        if (!error && self && epoch == self->epoch_) self->interrupt(Interrupt::deadline);
    });
}

void Session::interrupt(Interrupt why) {
    if (interrupt_ == Interrupt::none) interrupt_ = why;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Session::close() {
    net::dispatch(strand_, [self = shared_from_this()] {
        if (self->busy_) {
            self->interrupt(Interrupt::closed);
        } else {
            self->shut();
        }
    });
}

bool Session::healthy() noexcept {
    if (!open_ || busy_) return false;
    // The first call may read a farewell, the second finds the end behind it.
    const bool reading = consume() && consume();
    return reading && !PQisBusy(connection_) && PQstatus(connection_) == CONNECTION_OK;
}

bool Session::idle() const noexcept {
    return PQtransactionStatus(connection_) == PQTRANS_IDLE;
}

bool Session::clean() const noexcept { return open_ && !abandoned_ && idle(); }

// libpq closes its socket by itself when the connection breaks, and another thread may
// get the same number at once. A duplicate is the session's until it closes it.
bool Session::watch() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    const int duplicate = ::fcntl(PQsocket(connection_), F_DUPFD_CLOEXEC, 0);
    if (duplicate >= 0) {
        socket_.assign(duplicate, ignored);
        if (!socket_.is_open()) ::close(duplicate);
    }
    return socket_.is_open();
}

void Session::shut() noexcept {
    open_ = false;
    abandoned_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (connection_) PQfinish(std::exchange(connection_, nullptr));
    cache_.clear();
}

}  // namespace resilience::postgres
