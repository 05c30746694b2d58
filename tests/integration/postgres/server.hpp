// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_POSTGRES_SERVER_HPP
#define RESILIENCE_TESTS_POSTGRES_SERVER_HPP

#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/pool.hpp>

#include "integration/tcp_proxy.hpp"
#include "source_path.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

namespace postgres_tests {

namespace net = boost::asio;
namespace pg = resilience::postgres;
using resilience::Errc;
using resilience::fail;
using resilience::Result;
using namespace std::chrono_literals;

/// A server named by the environment; without one the test fails.
inline std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) {
        throw std::runtime_error(std::string{name} + " is not set: scripts/services env");
    }
    return value;
}

inline pg::ConnectionOptions server() {
    pg::ConnectionOptions options;
    options.host = environment("DB_HOST");
    options.port = static_cast<std::uint16_t>(std::stoi(environment("DB_PORT")));
    options.user = environment("DB_USER");
    options.password = environment("DB_PASSWORD");
    options.database = environment("DB_NAME");
    return options;
}

/// The same server, seen through `proxy`; unencrypted, so that the proxy can read along.
inline pg::ConnectionOptions through(
    const contract::TcpProxy& proxy, pg::ConnectionOptions options = server()
) {
    options.host = "127.0.0.1";
    options.port = proxy.port();
    options.ssl_mode = pg::SslMode::disable;
    return options;
}

/// Runs a coroutine of checks on `context` until it has ended.
inline void run(net::io_context& context, net::awaitable<void> work) {
    bool ended = false;
    std::exception_ptr error;
    net::co_spawn(context, std::move(work), [&](std::exception_ptr thrown) {
        ended = true;
        error = thrown;
    });
    context.restart();
    while (!ended && context.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    REQUIRE(ended);
}

/// Runs `work`, a coroutine lambda, on a context of its own.
template <class Work>
void run(Work work) {
    net::io_context context;
    run(context, work(context));
}

/// Waits until `met`, or fails the test after ten seconds.
inline net::awaitable<void> until(std::function<bool()> met) {
    net::steady_timer timer{co_await net::this_coro::executor};
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!met()) {
        if (std::chrono::steady_clock::now() > deadline) FAIL("it never came true");
        timer.expires_after(1ms);
        co_await timer.async_wait(net::use_awaitable);
    }
}

/// Whether it went well; says why not.
template <class T>
bool ok(const Result<T>& result) {
    if (!result) MESSAGE(result.error().message());
    return result.has_value();
}

/// Text of the one value that `sql` yields; the test fails when it does not.
inline net::awaitable<std::string> value(
    pg::Connection& connection, std::string sql, std::vector<pg::Parameter> values = {}
) {
    auto rows = co_await connection.async_execute(std::move(sql), std::move(values));
    if (!rows) FAIL(rows.error().message());
    REQUIRE(rows->size() == 1);
    co_return std::string{(*rows)[0].text(0)};
}

inline net::awaitable<pg::Connection> connected(
    pg::ConnectionOptions options = server()
) {
    pg::Connection connection{co_await net::this_coro::executor, std::move(options)};
    const auto opened = co_await connection.async_connect();
    if (!opened) FAIL("connect: ", opened.error().message());
    co_return connection;
}

/// A schema of the test's own, dropped at its end.
class Schema {
public:
    explicit Schema(bool outbox = false) {
        static std::atomic<int> count = 0;
        name_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
        script("CREATE SCHEMA " + name_, server());
        if (outbox) script(migration("0002_outbox_events.up.sql"), options());
    }
    ~Schema() {
        try {
            script("DROP SCHEMA " + name_ + " CASCADE", server());
        } catch (...) {
            // The test has failed already, or the next start of the server cleans up.
        }
    }
    Schema(const Schema&) = delete;
    Schema& operator=(const Schema&) = delete;

    /// How to connect so that the schema is the one in use.
    pg::ConnectionOptions options() const {
        auto chosen = server();
        chosen.extra = {{"options", "-csearch_path=" + name_}};
        return chosen;
    }

    void script(const std::string& sql) const { script(sql, options()); }

    /// The text of a file of migrations/postgres/.
    static std::string migration(const char* file) {
        const auto path =
            resilience::tests::source_path(std::string{"migrations/postgres/"} + file);
        std::ifstream stream{path};
        if (!stream) throw std::runtime_error(path + ": cannot be read");
        return {std::istreambuf_iterator<char>{stream}, {}};
    }

private:
    static void script(const std::string& sql, const pg::ConnectionOptions& options) {
        const auto work = [&](net::io_context&) -> net::awaitable<void> {
            auto connection = co_await connected(options);
            const auto done = co_await connection.async_run_script(sql);
            if (!done) throw std::runtime_error(done.error().message());
        };
        run(work);
    }

    std::string name_;
};

}  // namespace postgres_tests

#endif
