// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_REDIS_SCRIPTED_PEER_HPP
#define RESILIENCE_TESTS_UNIT_REDIS_SCRIPTED_PEER_HPP

#include <resilience/redis/connection.hpp>

#include <src/redis/wire.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience::redis::test {

using Command = std::vector<std::string>;

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

inline void run(net::io_context& io, net::awaitable<void> work) {
    run(io, [](net::awaitable<void> inner) -> net::awaitable<bool> {
        co_await std::move(inner);
        co_return true;
    }(std::move(work)));
}

/// A server on a loopback port that answers each command with the bytes its script
/// returns; none means silence.
class ScriptedPeer {
public:
    using Script = std::function<std::string(const Command&)>;

    ScriptedPeer(net::io_context& io, Script script)
        : acceptor_(io, {net::ip::address_v4::loopback(), 0}),
          script_(std::move(script)) {
        net::co_spawn(io, accept(), net::detached);
    }

    /// Greets well, and answers everything else by `script`.
    static Script greeting(Script script) {
        return [script = std::move(script)](const Command& command) -> std::string {
            const auto& name = command.at(0);
            if (name == "PING") return "+PONG\r\n";
            if (name == "CLIENT" || name == "AUTH" || name == "SELECT") return "+OK\r\n";
            if (name == "SCRIPT") return "$2\r\nid\r\n";
            return script(command);
        };
    }

    ConnectionOptions options() const {
        // Deadlines are out of the way: what is tested here does not depend on time.
        return {
            .host = "127.0.0.1",
            .port = acceptor_.local_endpoint().port(),
            .connect_timeout = std::chrono::hours{1},
            .request_timeout = std::chrono::hours{1},
            .silence_limit = std::chrono::hours{1},
            .reconnect =
                {.base = std::chrono::nanoseconds{1}, .cap = std::chrono::nanoseconds{1}},
            .seed = 1,
        };
    }

    /// Closes every connection.
    void cut() {
        for (auto& socket : sockets_) {
            boost::system::error_code ignored;
            socket.close(ignored);
        }
    }

    /// Sends bytes on the newest connection.
    void say(const std::string& bytes) {
        net::write(sockets_.back(), net::buffer(bytes));
    }

    /// What was received, greetings included, and by how many reads.
    std::vector<Command> commands;
    std::size_t connections = 0;
    std::size_t reads = 0;
    /// Sends each answer in as many pieces as it has bytes.
    bool byte_by_byte = false;

    /// How many of the received commands have this name.
    std::size_t count(const std::string& name) const {
        std::size_t n = 0;
        for (const auto& command : commands) n += command.at(0) == name ? 1 : 0;
        return n;
    }

private:
    static constexpr auto token = net::as_tuple(net::use_awaitable);

    net::awaitable<void> accept() {
        for (;;) {
            auto [ec, socket] = co_await acceptor_.async_accept(token);
            if (ec) co_return;
            ++connections;
            socket.set_option(net::ip::tcp::no_delay(true));
            sockets_.push_back(std::move(socket));
            net::co_spawn(
                acceptor_.get_executor(), serve(sockets_.back()), net::detached
            );
        }
    }

    net::awaitable<void> serve(net::ip::tcp::socket& socket) {
        redis::detail::ReplyReader reader(1 << 20);
        std::array<char, 65536> buffer;
        for (;;) {
            const auto [ec, size] =
                co_await socket.async_read_some(net::buffer(buffer), token);
            if (ec) co_return;
            ++reads;
            reader.feed({buffer.data(), size});
            for (;;) {
                auto request = reader.next();
                if (!request || !*request) break;
                Command command;
                for (auto& part : (*request)->elements) command.push_back(part.text);
                commands.push_back(command);
                const std::string answer = script_(command);
                const std::size_t piece = byte_by_byte ? 1 : answer.size();
                for (std::size_t at = 0; at < answer.size(); at += piece) {
                    const auto [failed, written] = co_await net::async_write(
                        socket, net::buffer(answer.data() + at, piece), token
                    );
                    if (failed) co_return;
                }
            }
        }
    }

    net::ip::tcp::acceptor acceptor_;
    Script script_;
    std::list<net::ip::tcp::socket> sockets_;
};

}  // namespace resilience::redis::test

#endif
