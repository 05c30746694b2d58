// SPDX-License-Identifier: MIT
#include "host/connection.hpp"

#include "host/access_log.hpp"
#include "host/answers.hpp"
#include "host/text.hpp"

#include <resilience/uuid.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <utility>

namespace resilience::host {
namespace {

using boost::system::error_code;
using net::ip::tcp;
using HttpError = boost::beast::http::error;

constexpr std::size_t read_size = 4096;
constexpr std::size_t kept_out = 64 * 1024;
constexpr std::size_t most_lingered = 16 * 1024 * 1024;
constexpr std::chrono::milliseconds linger_time{2000};

}  // namespace

Connection::Connection(
    std::shared_ptr<ServerState> server, tcp::socket socket, std::uint64_t seed
)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      watchdog_(socket_.get_executor()),
      rest_(std::min(server_->options.header_timeout, server_->options.idle_timeout)),
      // Room for a whole header and what follows it in the same packet.
      buffer_(server_->options.header_limit + read_size),
      body_share_(server_->bodies),
      random_state_(seed) {
    const ServerOptions& o = server_->options;
    tick_ = std::min(
        {o.header_timeout,
         o.body_timeout,
         o.idle_timeout,
         o.write_timeout,
         o.handler_timeout}
    );
    error_code ignored;
    socket_.set_option(tcp::no_delay{true}, ignored);
    const auto peer = socket_.remote_endpoint(ignored);
    if (!ignored) request_.peer = peer.address().to_string();
}

net::awaitable<void> Connection::run() {
    const auto self = shared_from_this();
    watch();
    while (keep_alive_ && step_ != Step::closed) {
        const Read read = co_await read_request();
        if (read == Read::ended) break;
        start_ = Clock::now();
        Response response;
        if (read == Read::complete) {
            response = co_await handle();
            // The answer went out over the handler's head, and the connection with it.
            if (step_ == Step::abandoned || step_ == Step::closed) break;
        } else {
            response = std::move(refusal_);
        }
        finish(response, request_);
        keep_alive_ = keep_alive_ && !response.close && !server_->draining;
        render(response);
        enter(Step::writing, server_->options.write_timeout);
        const bool written = co_await write_out();
        report(response);
        rest_ = server_->options.idle_timeout;
        if (!written) break;
        if (read == Read::refused) co_await linger();
    }
    close();
}

net::awaitable<Connection::Read> Connection::read_request() {
    std::string peer = std::move(request_.peer);
    request_.reset();
    body_share_.clear();
    request_.peer = std::move(peer);
    route_ = nullptr;
    target_.clear();
    parser_.emplace(
        request_, target_, server_->options.header_limit, server_->options.body_limit
    );
    enter(Step::resting, rest_);
    if (server_->draining) co_return Read::ended;

    while (parse(true)) {
        const bool has_some = parser_->got_some() || buffer_.size() > 0;
        if (has_some && step_ == Step::resting) {
            enter(Step::header, server_->options.header_timeout);
        }
        if (co_await read_more()) continue;
        if (!timed_out_) co_return Read::ended;
        guess_request_line();
        refuse(408, "request-timeout", "The request came too slowly", "header");
    }
    identify();
    if (refusal_.problem) co_return Read::refused;
    if (const char* wrong = check_header()) {
        refuse(400, "bad-request", "The request is malformed", wrong);
        co_return Read::refused;
    }
    if (parser_->is_done()) co_return Read::complete;

    enter(Step::body, server_->options.body_timeout);
    if (parser_->expects_continue() && parser_->is_http_1_1() && buffer_.size() == 0) {
        out_ = "HTTP/1.1 100 Continue\r\n\r\n";
        if (!co_await write_out()) co_return Read::ended;
    }
    while (parse(false)) {
        if (co_await read_more()) continue;
        if (!timed_out_) co_return Read::ended;
        refuse(408, "request-timeout", "The request came too slowly", "body");
    }
    co_return refusal_.problem ? Read::refused : Read::complete;
}

bool Connection::parse(bool header_only) {
    while (!refusal_.problem) {
        if (header_only ? parser_->is_header_done() : parser_->is_done()) return false;
        if (buffer_.size() == 0) return true;
        if (!parser_->got_some()) {
            // An empty line before a request is forgiven; some clients send it after a
            // body.
            const auto* text = static_cast<const char*>(buffer_.data().data());
            if (*text == '\r' || *text == '\n') {
                buffer_.consume(1);
                continue;
            }
        }
        error_code ec;
        const std::size_t parsed = parser_->put(buffer_.data(), ec);
        if (ec && ec != HttpError::need_more) guess_request_line();
        buffer_.consume(parsed);
        if (!body_share_.grow_to(request_.body.size())) {
            refuse(503, "overloaded", "Too many bodies are on their way", "");
            refusal_.problem->retry_after = std::chrono::seconds{1};
            return false;
        }
        if (ec == HttpError::need_more) {
            if (buffer_.size() < buffer_.max_size()) return true;
            guess_request_line();
            ec = HttpError::header_limit;
        }
        if (!ec) continue;
        if (ec == HttpError::header_limit) {
            refuse(431, "header-too-large", "The header is too large", "");
        } else if (ec == HttpError::body_limit) {
            refuse(413, "too-large", "The body is too large", "");
        } else {
            refuse(400, "bad-request", "The request is malformed", ec.message());
        }
    }
    return false;
}

void Connection::guess_request_line() {
    if (parser_->has_request_line()) return;
    std::string_view text{
        static_cast<const char*>(buffer_.data().data()), buffer_.size()};
    const auto take_word = [&text] {
        const auto word = text.substr(0, text.find_first_of(" \r\n"));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        return word;
    };
    request_.method = method_of(take_word());
    if (request_.method != Method::other) target_ = take_word();
}

const char* Connection::check_header() {
    const std::size_t hosts = request_.header_count("Host");
    if (hosts > 1 || (hosts == 0 && parser_->is_http_1_1())) {
        return "the header needs one field Host";
    }
    if (hosts == 1 && !is_host_field(*request_.header("Host"))) {
        return "the field Host is not a host with or without a port";
    }
    // A coding that is not understood leaves the end of the body in doubt.
    const auto coding = request_.header("Transfer-Encoding");
    if (coding && !equal_in_any_case(*coding, "chunked")) {
        return "the only transfer coding is chunked";
    }
    // What follows a CONNECT that is refused may be meant for the other end of a tunnel.
    keep_alive_ = parser_->keep_alive() && !parser_->is_connect();
    return nullptr;
}

void Connection::identify() {
    if (const auto id = request_.header("X-Request-Id"); id && is_request_id(*id)) {
        request_.request_id = *id;
    } else {
        request_.request_id =
            Uuid::v7(WallClock::now(), {random(), random()}).to_string();
    }
    const auto parent = request_.header("traceparent");
    request_.trace =
        TraceContext::continued(parent.value_or(""), {random(), random(), random()});
}

net::awaitable<Response> Connection::handle() {
    std::string_view target = target_;
    // A request line may name the host as well, as those to proxies do.
    if (const std::size_t scheme = target.find("://");
        scheme != std::string_view::npos && !target.starts_with('/')) {
        const std::size_t slash = target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    if (target == "*" && request_.method == Method::options) {
        co_return Response{204}.with("Allow", server_->router.methods());
    }
    if (const auto wrong = request_.set_target(target); !wrong.empty()) {
        co_return bad_request(std::string{wrong});
    }
    const Router::Match match = server_->router.find(request_);
    route_ = match.route;
    if (route_ == nullptr) co_return answer_without_route(match, request_);
    if (auto refusal = refuse_coding(request_)) co_return std::move(*refusal);

    enter(Step::handling, server_->options.handler_timeout);
    request_.deadline = deadline_;
    server_->metrics.in_flight().add(1);
    Response response;
    try {
        response = co_await route_->handler(request_);
    } catch (...) {
        response = answer_to_exception(std::current_exception());
    }
    server_->metrics.in_flight().add(-1);
    if (step_ != Step::handling) {
        // Else the next step would be cancelled as well.
        co_await net::this_coro::reset_cancellation_state(
            net::enable_terminal_cancellation()
        );
    }
    co_return response;
}

void Connection::render(const Response& response) {
    out_.clear();
    write_response(
        out_,
        response,
        {.server = server_->options.server_name,
         .date = date_.at(WallClock::now()),
         .request_id = request_.request_id,
         .traceparent = request_.trace.traceparent(),
         .http_1_1 = parser_->is_http_1_1(),
         .keep_alive = keep_alive_,
         .without_body = request_.method == Method::head}
    );
}

void Connection::report(const Response& response) {
    const auto took = Clock::now() - start_;
    server_->metrics.finished(route_, request_.method, response.status, took);
    log_request(server_->log, request_, target_, route_, response, took);
}

net::awaitable<bool> Connection::read_more() {
    error_code ec;
    const auto room =
        buffer_.prepare(std::min(read_size, buffer_.max_size() - buffer_.size()));
    const std::size_t n = co_await socket_.async_read_some(
        room, net::redirect_error(net::use_awaitable, ec)
    );
    buffer_.commit(n);
    co_return !ec;
}

net::awaitable<bool> Connection::write_out() {
    std::size_t sent = 0;
    while (sent < out_.size()) {
        error_code ec;
        sent += co_await socket_.async_write_some(
            net::buffer(out_) + sent, net::redirect_error(net::use_awaitable, ec)
        );
        if (ec) co_return false;
    }
    if (out_.capacity() > kept_out) std::string{}.swap(out_);
    co_return true;
}

// Closing with unread bytes makes the system send a reset, which can overtake the answer.
net::awaitable<void> Connection::linger() {
    enter(Step::lingering, linger_time);
    watch();
    error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    std::size_t thrown_away = 0;
    while (thrown_away < most_lingered) {
        buffer_.clear();
        if (!co_await read_more()) break;
        thrown_away += buffer_.size();
    }
}

void Connection::refuse(
    unsigned status, std::string slug, std::string title, std::string detail
) {
    if (refusal_.problem) return;
    server_->metrics.rejected(slug);
    refusal_ = Problem{status, std::move(slug), std::move(title), std::move(detail)};
    refusal_.close = true;
    // Nobody reads it, and the connection may linger.
    std::string{}.swap(request_.body);
    body_share_.clear();
}

void Connection::enter(Step step, std::chrono::milliseconds limit) {
    if (step_ == Step::closed) return;
    step_ = step;
    deadline_ = Clock::now() + limit;
}

void Connection::watch() {
    if (step_ == Step::closed) return;
    // Cancels the wait under way, if there is one.
    watchdog_.expires_at(std::min(deadline_, Clock::now() + tick_));
    watchdog_.async_wait([self = shared_from_this()](error_code ec) {
        if (ec) return;
        if (Clock::now() >= self->deadline_) self->on_deadline();
        self->watch();
    });
}

void Connection::on_deadline() {
    error_code ignored;
    deadline_ = TimePoint::max();
    switch (step_) {
        case Step::header:
        case Step::body:
            timed_out_ = true;
            socket_.cancel(ignored);
            break;
        case Step::handling:
            enter(Step::cancelled, server_->options.handler_grace);
            cancel_.emit(net::cancellation_type::terminal);
            break;
        case Step::cancelled:
            abandon();
            break;
        default:
            close();
            break;
    }
}

void Connection::abandon() {
    enter(Step::abandoned, server_->options.write_timeout);
    Response response = unavailable("the request took too long");
    finish(response, request_);
    keep_alive_ = false;
    render(response);
    report(response);
    net::async_write(
        socket_,
        net::buffer(out_),
        [self = shared_from_this()](error_code, std::size_t) {
            error_code ignored;
            self->socket_.shutdown(tcp::socket::shutdown_both, ignored);
        }
    );
}

void Connection::drain() {
    if (step_ == Step::resting) close();
}

void Connection::close() {
    step_ = Step::closed;
    watchdog_.cancel();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
}

std::uint64_t Connection::random() noexcept {
    // SplitMix64: ids must differ, nobody relies on their being secret.
    random_state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = random_state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

}  // namespace resilience::host
