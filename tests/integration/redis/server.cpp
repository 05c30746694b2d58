// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace resilience::redis::test {
namespace {

using net::ip::tcp;
using namespace std::chrono_literals;

std::uint16_t free_port() {
    net::io_context io;
    const tcp::acceptor acceptor(io, {net::ip::address_v4::loopback(), 0});
    return acceptor.local_endpoint().port();
}

bool answers(std::uint16_t port) {
    net::io_context io;
    tcp::socket socket(io);
    boost::system::error_code ec;
    socket.connect({net::ip::address_v4::loopback(), port}, ec);
    if (ec) return false;
    net::write(socket, net::buffer(std::string_view("PING\r\n")), ec);
    char first = 0;
    if (!ec) net::read(socket, net::buffer(&first, 1), ec);
    return !ec && (first == '+' || first == '-');
}

}  // namespace

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) {
        throw std::runtime_error(
            std::string(name) +
            " is not set: run scripts/services start, then "
            "eval \"$(scripts/services env)\""
        );
    }
    return value;
}

ConnectionOptions shared_server() { return with_address(environment("REDIS_ADDR")); }

std::string fresh_prefix() {
    return "test:" + std::to_string(std::random_device{}()) + ":" +
           std::to_string(std::random_device{}()) + ":";
}

PrivateServer::PrivateServer(std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), port_(free_port()) {
    std::string name =
        (std::filesystem::temp_directory_path() / "resilience-redis-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    directory_ = name;
    start();
}

PrivateServer::~PrivateServer() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

ConnectionOptions PrivateServer::options() const {
    return {
        .port = port_,
        .request_timeout = 5s,
        .silence_limit = 5s,
        .reconnect = {.base = 5ms, .cap = 20ms},
    };
}

void PrivateServer::start() {
    std::vector<std::string> words{
        "redis-server",
        "--port",
        std::to_string(port_),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        directory_};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    process_ = fork();
    if (process_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int quiet = open("/dev/null", O_WRONLY);
        dup2(quiet, STDOUT_FILENO);
        if (getppid() == parent) execvp(argv[0], argv.data());
        _exit(127);
    }
    await_ready();
}

void PrivateServer::await_ready() const {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        if (answers(port_)) return;
        if (waitpid(process_, nullptr, WNOHANG) != 0) break;
        std::this_thread::sleep_for(10ms);
    }
    throw std::runtime_error("redis-server did not start");
}

void PrivateServer::kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
}

void PrivateServer::freeze() { ::kill(process_, SIGSTOP); }

void PrivateServer::thaw() { ::kill(process_, SIGCONT); }

Result<Reply> ask_patiently(
    net::io_context& io, Connection& connection, const Command& command
) {
    Result<Reply> reply = fail(Errc::unavailable);
    for (int attempt = 0; attempt < 1000; ++attempt) {
        reply = ask(io, connection, command);
        if (reply) break;
        net::steady_timer timer(io, 10ms);
        run(io, [](net::steady_timer& t) -> net::awaitable<bool> {
            co_await t.async_wait(net::use_awaitable);
            co_return true;
        }(timer));
    }
    return reply;
}

}  // namespace resilience::redis::test
