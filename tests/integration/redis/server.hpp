// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_REDIS_SERVER_HPP
#define RESILIENCE_TESTS_INTEGRATION_REDIS_SERVER_HPP

#include <resilience/redis/connection.hpp>
#include <resilience/redis/token_bucket_store.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience::redis::test {

using Command = std::vector<std::string>;

/// The value of an environment variable. @throws std::runtime_error It is not set.
std::string environment(const char* name);

/// Options for the server that `REDIS_ADDR` names.
ConnectionOptions shared_server();

/// A prefix that no other run uses.
std::string fresh_prefix();

/// A server of one's own on a free port, which ends with the object.
class PrivateServer {
public:
    explicit PrivateServer(std::vector<std::string> arguments = {});
    PrivateServer(const PrivateServer&) = delete;
    PrivateServer& operator=(const PrivateServer&) = delete;
    ~PrivateServer();

    /// Options that find this server, with a short wait between attempts to connect.
    ConnectionOptions options() const;

    void start();
    /// Ends the process as `kill -9` does.
    void kill();
    /// Stops the process without ending it, and lets it go on.
    void freeze();
    void thaw();

private:
    void await_ready() const;

    std::vector<std::string> arguments_;
    std::uint16_t port_;
    std::string directory_;
    pid_t process_ = -1;
};

/// Runs `work` to its end on `io`, which may hold other work too.
template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
    std::optional<T> value;
    std::exception_ptr error;
    bool done = false;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr e, T result) {
        error = e;
        value = std::move(result);
        done = true;
    });
    io.restart();
    while (!done && io.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    return std::move(value.value());
}

/// Sends one command and waits for its outcome.
inline Result<Reply> ask(net::io_context& io, Connection& connection, Command command) {
    return run(io, connection.async_command(std::move(command), net::use_awaitable));
}

/// Asks until the server answers, at most for some seconds.
Result<Reply> ask_patiently(
    net::io_context& io, Connection& connection, const Command& command
);

}  // namespace resilience::redis::test

#endif
