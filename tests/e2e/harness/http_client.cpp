// SPDX-License-Identifier: MIT
#include <e2e/harness/http_client.hpp>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <cctype>

namespace resilience::e2e {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;

// Timeouts of a beast stream hold for asynchronous operations alone: each step is started
// so and the context run until it is done.
template <class Start>
bool step(net::io_context& io, Start start) {
    bool ok = false;
    start([&ok](beast::error_code ec, auto&&...) { ok = !ec; });
    io.restart();
    io.run();
    return ok;
}

bool connect(net::io_context& io, beast::tcp_stream& stream, int port) {
    const tcp::endpoint server{
        net::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)};
    return step(io, [&](auto done) { stream.async_connect(server, std::move(done)); });
}

}  // namespace

boost::json::value HttpReply::json() const {
    boost::json::error_code ec;
    auto value = boost::json::parse(body, ec);
    return ec ? boost::json::value{} : value;
}

HttpReply HttpClient::call(
    const std::string& method,
    const std::string& target,
    std::string body,
    const std::map<std::string, std::string>& headers
) const {
    net::io_context io;
    beast::tcp_stream stream(io);
    stream.expires_after(timeout_);
    HttpReply reply;
    if (!connect(io, stream, port_)) return reply;

    http::request<http::string_body> request;
    request.method_string(method);
    request.target(target);
    request.version(11);
    request.set(http::field::host, "127.0.0.1");
    request.keep_alive(false);
    if (!body.empty()) {
        request.set(http::field::content_type, "application/json");
        request.body() = std::move(body);
    }
    for (const auto& [name, value] : headers) request.set(name, value);
    request.prepare_payload();
    if (!step(io, [&](auto done) {
            http::async_write(stream, request, std::move(done));
        })) {
        return reply;
    }

    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(64 * 1024 * 1024);
    if (!step(io, [&](auto done) {
            http::async_read(stream, buffer, parser, std::move(done));
        })) {
        return reply;
    }
    const auto& response = parser.get();
    reply.status = static_cast<int>(response.result_int());
    reply.body = response.body();
    for (const auto& field : response) {
        std::string name(field.name_string());
        std::ranges::transform(name, name.begin(), [](unsigned char c) {
            return static_cast<char>(std::tolower(c));
        });
        reply.headers[name] = std::string(field.value());
    }
    return reply;
}

std::string HttpClient::raw(std::string_view bytes, bool half_close) const {
    net::io_context io;
    beast::tcp_stream stream(io);
    stream.expires_after(timeout_);
    if (!connect(io, stream, port_)) return {};
    // The server may close before it has read all; what it answered is still read.
    step(io, [&](auto done) {
        net::async_write(stream, net::buffer(bytes), std::move(done));
    });
    beast::error_code ignored;
    if (half_close) stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    std::string answer;
    char part[4096];
    for (;;) {
        std::size_t got = 0;
        step(io, [&](auto done) {
            stream.async_read_some(
                net::buffer(part),
                [&got, done](beast::error_code ec, std::size_t n) mutable {
                    got = n;
                    done(ec);
                }
            );
        });
        if (got == 0) return answer;
        answer.append(part, got);
    }
}

}  // namespace resilience::e2e
