// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_HOST_LOOPBACK_HPP
#define RESILIENCE_TESTS_HOST_LOOPBACK_HPP

#include <host/log.hpp>
#include <host/router.hpp>
#include <host/server.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/time.h>

namespace resilience::host {

/// An answer as a client sees it.
struct Reply {
    unsigned status = 0;
    std::string head;
    std::string body;

    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }

    /// The value of a header field spelt as the server spells it.
    std::string field(std::string_view name) const {
        const std::string key = "\r\n" + std::string{name} + ": ";
        const std::size_t start = head.find(key);
        if (start == std::string::npos) return {};
        const std::size_t from = start + key.size();
        return head.substr(from, head.find("\r\n", from) - from);
    }
};

/// A client that sends any bytes. It waits 20 s for an answer and no longer.
class Client {
public:
    explicit Client(std::uint16_t port) : socket_(io_) {
        socket_.connect({net::ip::address_v4::loopback(), port});
        const timeval limit{20, 0};
        ::setsockopt(
            socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit
        );
    }

    /// False when the server has cut the connection.
    bool send(std::string_view bytes) {
        boost::system::error_code ec;
        net::write(socket_, net::buffer(bytes), ec);
        return !ec;
    }

    /// The next answer; status 0 when the connection ends before one is complete.
    Reply receive(bool without_body = false) {
        Reply reply;
        std::size_t end = 0;
        while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
            if (!read()) return {};
        }
        reply.head = in_.substr(0, end + 2);
        in_.erase(0, end + 4);
        const std::string length = reply.field("Content-Length");
        const std::size_t size = length.empty() || without_body ? 0 : std::stoul(length);
        while (in_.size() < size) {
            if (!read()) return {};
        }
        reply.body = in_.substr(0, size);
        in_.erase(0, size);
        reply.status = static_cast<unsigned>(std::stoul(reply.head.substr(9, 3)));
        return reply;
    }

    Reply ask(std::string_view bytes) {
        send(bytes);
        return receive();
    }

    /// Whether the server ends the connection without sending anything more.
    bool ended() { return in_.empty() && !read() && !timed_out_; }

    void finish_sending() {
        boost::system::error_code ec;
        socket_.shutdown(net::ip::tcp::socket::shutdown_send, ec);
    }

    /// Closes with a reset instead of an orderly end.
    void reset() {
        socket_.set_option(net::socket_base::linger{true, 0});
        socket_.close();
    }

private:
    bool read() {
        char bytes[4096];
        const auto n = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0);
        timed_out_ = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (n <= 0) return false;
        in_.append(bytes, static_cast<std::size_t>(n));
        return true;
    }

    net::io_context io_;
    net::ip::tcp::socket socket_;
    std::string in_;
    bool timed_out_ = false;
};

/// A server on a free port of this machine, in threads of its own.
class Loopback {
public:
    Router router;
    std::ostringstream log_text;
    Log log{LogLevel::debug, log_text};
    prometheus::Metrics metrics;

    Loopback() {
        options.address = {"127.0.0.1", 0};
        router.root().get("/hello", {}, [](Request& request) -> net::awaitable<Response> {
            co_return text_response(200, "hello " + request.request_id);
        });
        router.root().post("/echo", {}, [](Request& request) -> net::awaitable<Response> {
            co_return text_response(200, request.body);
        });
    }

    ~Loopback() { stop(); }

    ServerOptions options;

    void start(int threads = 1) {
        options.strands = threads > 1;
        server.emplace(io.get_executor(), options, router, log, metrics);
        server->listen();
        server->start();
        for (int i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { io.run(); });
        }
    }

    Client connect() const { return Client{server->port()}; }

    /// Begins the drain; the future holds whether all requests ended in time.
    std::future<bool> drain(std::chrono::milliseconds bound) {
        return net::co_spawn(io, server->drain(bound), net::use_future);
    }

    void stop() {
        io.stop();
        threads_.clear();
    }

    /// Waits until the server has no connection left.
    void wait_until_empty() {
        while (server->connections() > 0) std::this_thread::yield();
    }

    net::io_context io;
    std::optional<Server> server;

private:
    net::executor_work_guard<net::io_context::executor_type> guard_ =
        net::make_work_guard(io);
    std::vector<std::jthread> threads_;
};

inline std::string get(std::string_view path, std::string_view fields = {}) {
    return "GET " + std::string{path} + " HTTP/1.1\r\nHost: x\r\n" + std::string{fields} +
           "\r\n";
}

inline std::string post(std::string_view path, std::string_view body) {
    return "POST " + std::string{path} +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string{body};
}

}  // namespace resilience::host

#endif
