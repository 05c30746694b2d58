// SPDX-License-Identifier: MIT
#include "host/server.hpp"

#include "host/connection.hpp"
#include "host/server_state.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace resilience::host {
namespace {

using boost::system::error_code;
using net::ip::tcp;

constexpr std::chrono::milliseconds accept_pause{100};

[[noreturn]] void fail_to_listen(const Address& address, const error_code& ec) {
    const std::string what = "cannot listen on " + address.to_string();
    const bool of_resolver = ec.category() == net::error::get_netdb_category() ||
                             ec.category() == net::error::get_addrinfo_category();
    if (of_resolver || ec == boost::system::errc::address_not_available ||
        ec == boost::system::errc::permission_denied) {
        throw std::invalid_argument(what + ": " + ec.message());
    }
    throw std::system_error(static_cast<std::error_code>(ec), what);
}

}  // namespace

// Everything but `open_count` and `port`, which stays as it is from @ref Server::listen
// on, is touched on `executor` alone.
struct Server::Impl : std::enable_shared_from_this<Impl> {
    Impl(net::any_io_executor outer, std::shared_ptr<ServerState> server)
        : io(outer),
          executor(
              server->options.strands ? net::any_io_executor{net::make_strand(outer)}
                                      : outer
          ),
          state(std::move(server)),
          acceptor(executor),
          changed(executor, TimePoint::max()),
          seeds(std::random_device{}()) {}

    net::any_io_executor io;
    net::any_io_executor executor;
    std::shared_ptr<ServerState> state;
    tcp::acceptor acceptor;
    // Cancelled whenever a connection ends; nobody waits for its expiry.
    net::steady_timer changed;
    std::mt19937_64 seeds;
    std::unordered_set<std::shared_ptr<Connection>> open;
    std::atomic<std::size_t> open_count = 0;
    std::uint16_t port = 0;

    net::awaitable<void> accept_all();
    void serve(tcp::socket socket);
    void ended(const std::shared_ptr<Connection>& connection, std::exception_ptr error);
    void stop_accepting();
    template <class Action>
    void each(Action action);
    net::awaitable<bool> wait_until_idle(TimePoint deadline);
};

Server::Server(
    net::any_io_executor executor,
    ServerOptions options,
    const Router& router,
    Log& log,
    prometheus::Metrics& metrics
)
    : impl_(std::make_shared<Impl>(
          std::move(executor),
          std::shared_ptr<ServerState>(new ServerState{
              std::move(options), router, log, HttpMetrics{metrics}})
      )) {}

Server::~Server() = default;

void Server::listen() {
    const Address& address = impl_->state->options.address;
    error_code ec;
    tcp::resolver resolver{impl_->executor};
    const auto found = resolver.resolve(
        address.host, std::to_string(address.port), tcp::resolver::passive, ec
    );
    if (ec) fail_to_listen(address, ec);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    auto& acceptor = impl_->acceptor;
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(tcp::acceptor::reuse_address{true}, ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(tcp::acceptor::max_listen_connections, ec);
    if (!ec) impl_->port = acceptor.local_endpoint(ec).port();
    if (ec) fail_to_listen(address, ec);
}

std::uint16_t Server::port() const noexcept { return impl_->port; }

void Server::start() {
    impl_->state->metrics.prepare(impl_->state->router);
    net::co_spawn(impl_->executor, impl_->accept_all(), net::detached);
}

std::size_t Server::connections() const noexcept { return impl_->open_count; }

net::awaitable<void> Server::Impl::accept_all() {
    const auto self = shared_from_this();
    bool failing = false;
    while (acceptor.is_open()) {
        error_code ec;
        if (static_cast<std::int64_t>(open.size()) >= state->options.max_connections) {
            if (!failing) state->metrics.rejected("capacity");
            failing = true;
            co_await changed.async_wait(net::redirect_error(net::use_awaitable, ec));
            continue;
        }
        auto executor_of_one =
            state->options.strands ? net::any_io_executor{net::make_strand(io)} : io;
        tcp::socket socket = co_await acceptor.async_accept(
            executor_of_one, net::redirect_error(net::use_awaitable, ec)
        );
        if (!ec) {
            failing = false;
            try {
                serve(std::move(socket));
            } catch (const std::exception& e) {
                state->log.error("cannot serve a connection", {{"error", e.what()}});
            }
        } else if (acceptor.is_open() && ec != net::error::connection_aborted) {
            // Out of descriptors or memory: what ends frees some, and trying at once
            // again would only burn the processor.
            if (!failing) state->log.warn("cannot accept", {{"error", ec.message()}});
            if (!failing) state->metrics.rejected("accept-failed");
            failing = true;
            net::steady_timer pause{executor, accept_pause};
            co_await pause.async_wait(net::redirect_error(net::use_awaitable, ec));
        }
    }
}

void Server::Impl::serve(tcp::socket socket) {
    auto connection = std::make_shared<Connection>(state, std::move(socket), seeds());
    open.insert(connection);
    open_count = open.size();
    state->metrics.connections().add(1);
    net::co_spawn(
        connection->get_executor(),
        connection->run(),
        net::bind_cancellation_slot(
            connection->slot(),
            net::bind_executor(
                executor,
                [self = shared_from_this(), connection](std::exception_ptr error) {
                    self->ended(connection, std::move(error));
                }
            )
        )
    );
}

void Server::Impl::ended(
    const std::shared_ptr<Connection>& connection, std::exception_ptr error
) {
    if (error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            state->log.error("a connection ended in an exception", {{"error", e.what()}});
        } catch (...) {
            state->log.error("a connection ended in an exception");
        }
        net::dispatch(connection->get_executor(), [connection] { connection->close(); });
    }
    open.erase(connection);
    open_count = open.size();
    state->metrics.connections().add(-1);
    changed.cancel();
}

void Server::Impl::stop_accepting() {
    state->draining = true;
    error_code ignored;
    acceptor.close(ignored);
    changed.cancel();
}

template <class Action>
void Server::Impl::each(Action action) {
    for (const auto& connection : open) {
        net::dispatch(connection->get_executor(), [connection, action] {
            action(*connection);
        });
    }
}

net::awaitable<bool> Server::Impl::wait_until_idle(TimePoint deadline) {
    while (!open.empty() && Clock::now() < deadline) {
        error_code ignored;
        changed.expires_at(deadline);
        co_await changed.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
    co_return open.empty();
}

net::awaitable<bool> Server::drain(std::chrono::milliseconds bound) {
    return net::co_spawn(
        impl_->executor,
        [](std::shared_ptr<Impl> impl, TimePoint deadline) -> net::awaitable<bool> {
            impl->stop_accepting();
            impl->each([](Connection& connection) { connection.drain(); });
            const bool finished = co_await impl->wait_until_idle(deadline);
            if (!finished) impl->each([](Connection& connection) { connection.close(); });
            co_return finished;
        }(impl_, Clock::now() + bound),
        net::use_awaitable
    );
}

}  // namespace resilience::host
