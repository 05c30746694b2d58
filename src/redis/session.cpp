// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <openssl/ssl.h>

#include <stdexcept>
#include <string_view>

namespace resilience::redis::detail {
namespace {

constexpr auto use_tuple = net::as_tuple(net::use_awaitable);
using boost::system::error_code;
using net::ip::tcp;

Failure refused(const std::string& words, Errc otherwise) {
    return server_failure(words).value_or(fail(otherwise, words));
}

}  // namespace

std::shared_ptr<net::ssl::context> make_tls_context(const TlsOptions& options) {
    if (!options.enabled) return nullptr;
    auto context = std::make_shared<net::ssl::context>(net::ssl::context::tls_client);
    error_code ec;
    if (options.ca_file.empty()) {
        context->set_default_verify_paths(ec);
    } else {
        context->load_verify_file(options.ca_file, ec);
    }
    if (ec) {
        throw std::invalid_argument("tls.ca_file: cannot be read: " + ec.message());
    }
    context->set_verify_mode(
        options.verify ? net::ssl::verify_peer : net::ssl::verify_none
    );
    return context;
}

Session::Session(
    net::any_io_executor strand,
    const ConnectionOptions& options,
    std::shared_ptr<net::ssl::context> tls
)
    : options_(options),
      tls_(std::move(tls)),
      socket_(strand),
      resolver_(strand),
      timer_(strand),
      reader_(options.max_reply_bytes) {}

void Session::abort(Failure reason) {
    if (!reason_) reason_ = std::move(reason);
    error_code ignored;
    resolver_.cancel();
    timer_.cancel();
    socket_.close(ignored);
}

Failure Session::ended(const char* doing, const error_code& ec) const {
    if (reason_) return *reason_;
    return fail(Errc::unavailable, std::string(doing) + ": " + ec.message());
}

net::awaitable<Result<void>> Session::open(
    std::span<const std::vector<std::string>> preloads
) {
    opening_ = true;
    timer_.expires_after(options_.connect_timeout);
    timer_.async_wait([self = shared_from_this()](error_code ec) {
        // The timer may have fired just before it was cancelled.
        if (ec || !self->opening_) return;
        self->abort(fail(Errc::unavailable, "connecting took too long"));
    });
    auto result = co_await connect();
    if (result && tls_) result = co_await encrypt();
    if (result) result = co_await greet(preloads);
    opening_ = false;
    timer_.cancel();
    if (result && reason_) co_return *reason_;
    co_return result;
}

net::awaitable<Result<void>> Session::connect() {
    if (options_.unix_socket.empty()) co_return co_await connect_tcp();
    const net::local::stream_protocol::endpoint endpoint(options_.unix_socket);
    const auto [ec] =
        co_await socket_.async_connect(Socket::endpoint_type(endpoint), use_tuple);
    if (ec) co_return ended("connect", ec);
    co_return Result<void>{};
}

net::awaitable<Result<void>> Session::connect_tcp() {
    std::vector<tcp::endpoint> endpoints;
    error_code ec;
    const auto address = net::ip::make_address(options_.host, ec);
    if (!ec) {
        endpoints.emplace_back(address, options_.port);
    } else {
        const auto [failed, found] = co_await resolver_.async_resolve(
            options_.host, std::to_string(options_.port), use_tuple
        );
        if (failed || reason_) co_return ended("look-up", failed);
        for (const auto& entry : found) endpoints.push_back(entry.endpoint());
    }
    ec = net::error::host_not_found;
    for (const auto& endpoint : endpoints) {
        error_code ignored;
        socket_.close(ignored);
        const auto [failed] =
            co_await socket_.async_connect(Socket::endpoint_type(endpoint), use_tuple);
        ec = failed;
        if (!ec || reason_) break;
    }
    if (ec || reason_) co_return ended("connect", ec);
    socket_.set_option(tcp::no_delay(true), ec);
    socket_.set_option(net::socket_base::keep_alive(true), ec);
    co_return Result<void>{};
}

net::awaitable<Result<void>> Session::encrypt() {
    const auto& name =
        options_.tls.server_name.empty() ? options_.host : options_.tls.server_name;
    encrypted_.emplace(socket_, *tls_);
    error_code ec;
    (void)net::ip::make_address(name, ec);
    const bool is_name = static_cast<bool>(ec);  // an address is not allowed in SNI
    if (is_name) {
        SSL_set_tlsext_host_name(encrypted_->native_handle(), name.c_str());
    }
    if (options_.tls.verify) {
        encrypted_->set_verify_callback(net::ssl::host_name_verification(name), ec);
    }
    const auto [failed] =
        co_await encrypted_->async_handshake(net::ssl::stream_base::client, use_tuple);
    if (failed || reason_) co_return ended("TLS", failed);
    co_return Result<void>{};
}

net::awaitable<Result<void>> Session::greet(
    std::span<const std::vector<std::string>> preloads
) {
    // What is asked, and what a refusal means; without a meaning it is ignored.
    std::vector<std::vector<std::string>> commands;
    std::vector<std::optional<Errc>> meanings;
    const auto ask = [&](std::vector<std::string> command, std::optional<Errc> meaning) {
        commands.push_back(std::move(command));
        meanings.push_back(meaning);
    };
    if (!options_.username.empty()) {
        ask({"AUTH", options_.username, options_.password}, Errc::access_denied);
    } else if (!options_.password.empty()) {
        ask({"AUTH", options_.password}, Errc::access_denied);
    }
    if (!options_.client_name.empty()) {
        ask({"CLIENT", "SETNAME", options_.client_name}, std::nullopt);
    }
    if (options_.database != 0) {
        ask({"SELECT", std::to_string(options_.database)}, Errc::invalid_request);
    }
    for (const auto& preload : preloads) ask(preload, std::nullopt);
    ask({"PING"}, std::nullopt);

    auto sent = co_await send_greeting(commands);
    if (!sent) co_return sent;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        auto reply = co_await next_reply();
        if (!reply) co_return reply.error();
        if (!reply->is_error()) continue;
        if (meanings[i]) co_return refused(reply->text, *meanings[i]);
        // A server that is still loading, or wants a password, says so to anything.
        const auto failure = server_failure(reply->text);
        if (i + 1 == commands.size() && failure && !reply->text.starts_with("NOPERM")) {
            co_return *failure;
        }
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> Session::send_greeting(
    std::span<const std::vector<std::string>> commands
) {
    std::string bytes;
    for (const auto& command : commands) {
        const std::vector<std::string_view> args(command.begin(), command.end());
        bytes += Wire(args).bytes();
    }
    error_code ec;
    if (encrypted_) {
        std::tie(ec, std::ignore) =
            co_await net::async_write(*encrypted_, net::buffer(bytes), use_tuple);
    } else {
        std::tie(ec, std::ignore) =
            co_await net::async_write(socket_, net::buffer(bytes), use_tuple);
    }
    if (ec || reason_) co_return ended("greeting", ec);
    co_return Result<void>{};
}

net::awaitable<Result<Reply>> Session::next_reply() {
    for (;;) {
        auto reply = reader_.next();
        if (!reply) co_return reply.error();
        if (*reply) co_return std::move(**reply);
        auto failure = co_await receive();
        if (failure) co_return std::move(*failure);
    }
}

net::awaitable<std::optional<Failure>> Session::receive() {
    error_code ec;
    std::size_t size = 0;
    if (encrypted_) {
        std::tie(ec, size) =
            co_await encrypted_->async_read_some(net::buffer(incoming_), use_tuple);
    } else {
        std::tie(ec, size) =
            co_await socket_.async_read_some(net::buffer(incoming_), use_tuple);
    }
    if (ec || reason_) co_return ended("receive", ec);
    reader_.feed({incoming_.data(), size});
    co_return std::nullopt;
}

}  // namespace resilience::redis::detail
