// SPDX-License-Identifier: MIT
#include <resilience/postgres/connection.hpp>

#include <resilience/asio/detail/run_on.hpp>

#include "session.hpp"

namespace resilience::postgres {
namespace {

net::awaitable<Result<Rows>> first_of(
    std::shared_ptr<Session> session, std::vector<Statement> statements
) {
    auto all = co_await session->pipeline(std::move(statements));
    if (!all) co_return std::move(all).error();
    co_return std::move(all->front());
}

// These keep the session alive as long as their frames live.
net::awaitable<Result<void>> connect_kept(std::shared_ptr<Session> session) {
    co_return co_await session->connect();
}

net::awaitable<Result<std::vector<Rows>>> pipeline_kept(
    std::shared_ptr<Session> session, std::vector<Statement> statements
) {
    co_return co_await session->pipeline(std::move(statements));
}

net::awaitable<Result<void>> script_kept(
    std::shared_ptr<Session> session, std::string sql
) {
    co_return co_await session->run_script(std::move(sql));
}

}  // namespace

Connection::Connection(executor_type executor, ConnectionOptions options)
    : session_(std::make_shared<Session>(std::move(executor), std::move(options))) {}

Connection::Connection(std::shared_ptr<Session> session) noexcept
    : session_(std::move(session)) {}

Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Connection::executor_type Connection::get_executor() const {
    return session_->outer_executor();
}

void Connection::connect(const std::shared_ptr<Session>& session, Handler<void> handler) {
    resilience::detail::run_on<void>(
        session->executor(), connect_kept(session), std::move(handler)
    );
}

void Connection::execute(
    const std::shared_ptr<Session>& session, Statement statement, Handler<Rows> handler
) {
    std::vector<Statement> statements;
    statements.push_back(std::move(statement));
    resilience::detail::run_on<Rows>(
        session->executor(), first_of(session, std::move(statements)), std::move(handler)
    );
}

void Connection::pipeline(
    const std::shared_ptr<Session>& session,
    std::vector<Statement> statements,
    Handler<std::vector<Rows>> handler
) {
    resilience::detail::run_on<std::vector<Rows>>(
        session->executor(),
        pipeline_kept(session, std::move(statements)),
        std::move(handler)
    );
}

void Connection::run_script(
    const std::shared_ptr<Session>& session, std::string sql, Handler<void> handler
) {
    resilience::detail::run_on<void>(
        session->executor(), script_kept(session, std::move(sql)), std::move(handler)
    );
}

void Connection::close() { session_->close(); }

bool Connection::is_open() const noexcept { return session_->is_open(); }

std::uint64_t Connection::warnings() const noexcept { return session_->warnings(); }

}  // namespace resilience::postgres
