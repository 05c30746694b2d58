// SPDX-License-Identifier: MIT
#include "bench/http_servers.hpp"

#include <host/router.hpp>
#include <host/server.hpp>
#include <modules/backing/redis.hpp>
#include <modules/bucket/bucket_store.hpp>
#include <modules/bucket/routes.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include <pthread.h>

namespace resilience::bench {
namespace {

using net::ip::tcp;
namespace http = boost::beast::http;

using Answer = http::response<http::string_body>;

constexpr auto as_tuple = net::as_tuple(net::use_awaitable);

Answer make_answer(const http::request<http::string_body>& request) {
    Answer answer{http::status::ok, request.version()};
    answer.set(http::field::server, "echo");
    answer.set(http::field::content_type, "text/plain");
    answer.keep_alive(request.keep_alive());
    const auto target = request.target();
    answer.body().assign(target.data(), target.size());
    return answer;
}

net::awaitable<void> echo(tcp::socket socket, std::size_t body_size) {
    boost::beast::flat_buffer buffer;
    while (true) {
        http::request<http::string_body> request;
        const auto [unread, read] =
            co_await http::async_read(socket, buffer, request, as_tuple);
        if (unread) co_return;
        Answer answer = make_answer(request);
        answer.body().resize(body_size, '.');
        answer.prepare_payload();
        const auto [unwritten, written] =
            co_await http::async_write(socket, answer, as_tuple);
        if (unwritten || !answer.keep_alive()) co_return;
    }
}

net::awaitable<void> accept_all(tcp::acceptor acceptor, std::size_t body_size) {
    while (true) {
        tcp::socket socket = co_await acceptor.async_accept(net::use_awaitable);
        socket.set_option(tcp::no_delay{true});
        net::co_spawn(
            acceptor.get_executor(), echo(std::move(socket), body_size), net::detached
        );
    }
}

class EchoServer final : public ServerThread {
public:
    explicit EchoServer(std::size_t body_size) {
        tcp::acceptor acceptor{io(), {net::ip::address_v4::loopback(), 0}};
        const auto port = acceptor.local_endpoint().port();
        net::co_spawn(io(), accept_all(std::move(acceptor), body_size), net::detached);
        start(port);
    }
    ~EchoServer() override { stop(); }
};

class BucketServer final : public ServerThread {
public:
    explicit BucketServer(host::LogLevel level)
        : log_(level, nowhere_),
          store_(modules::bucket::make_bucket_store(io().get_executor(), limit_, {})),
          server_(
              io().get_executor(),
              {.address = {"127.0.0.1", 0}, .server_name = "unified-server"},
              router_,
              log_,
              metrics_
          ) {
        modules::bucket::add_routes(router_, metrics_, *store_, limit_);
        server_.listen();
        server_.start();
        start(server_.port());
    }
    ~BucketServer() override { stop(); }

private:
    std::ofstream nowhere_{"/dev/null"};
    modules::bucket::BucketLimit limit_;
    prometheus::Metrics metrics_;
    host::Log log_;
    host::Router router_;
    std::unique_ptr<modules::bucket::BucketStore> store_;
    host::Server server_;
};

}  // namespace

void ServerThread::start(std::uint16_t port) {
    port_ = port;
    thread_ = std::thread{[this] { io_.run(); }};
}

void ServerThread::stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
}

std::chrono::duration<double> ServerThread::cpu_time() const {
    clockid_t clock{};
    timespec time{};
    auto& thread = const_cast<std::thread&>(thread_);
    if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0 ||
        clock_gettime(clock, &time) != 0) {
        throw std::runtime_error("the thread has no clock");
    }
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::unique_ptr<ServerThread> make_echo_server(std::size_t answer_size) {
    Answer empty = make_answer({http::verb::get, "", 11});
    empty.body().resize(answer_size, '.');
    empty.prepare_payload();
    std::size_t header = std::string_view{"HTTP/1.1 200 OK\r\n\r\n"}.size();
    for (const auto& field : empty.base()) {
        header += field.name_string().size() + field.value().size() + 4;
    }
    return std::make_unique<EchoServer>(answer_size - header);
}

std::unique_ptr<ServerThread> make_bucket_server(host::LogLevel level) {
    return std::make_unique<BucketServer>(level);
}

}  // namespace resilience::bench
