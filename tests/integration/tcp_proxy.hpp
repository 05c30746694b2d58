// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_TCP_PROXY_HPP
#define RESILIENCE_TESTS_TCP_PROXY_HPP

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace contract {

/** Stands between a client and a server on a loopback port and breaks what it is told to.

    Runs on a thread of its own; every function may be called from any thread, and has
    taken effect when it returns.
*/
class TcpProxy {
    using tcp = boost::asio::ip::tcp;
    template <class T>
    using awaitable = boost::asio::awaitable<T>;

public:
    /// What happens to a connection when a request holds the text of @ref break_on.
    enum class Break {
        /// The request never reaches the server.
        before_request,
        /// The server answers, and the answer never reaches the client.
        before_answer
    };

    TcpProxy(std::string host, std::uint16_t port)
        : host_(std::move(host)),
          server_port_(port),
          acceptor_(context_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}),
          port_(acceptor_.local_endpoint().port()) {
        boost::asio::co_spawn(context_, accept(), boost::asio::detached);
        thread_ = std::thread{[this] { context_.run(); }};
    }
    ~TcpProxy() {
        context_.stop();
        thread_.join();
    }
    TcpProxy(const TcpProxy&) = delete;
    TcpProxy& operator=(const TcpProxy&) = delete;

    /// Where clients connect, on 127.0.0.1.
    std::uint16_t port() const noexcept { return port_; }

    /// Connections accepted so far.
    int accepted() const noexcept { return accepted_; }

    /// Ends all connections.
    void cut() {
        on_thread([this] {
            for (const auto& link : links_) link->close();
        });
    }

    /// While true, new connections end at once.
    void refuse(bool on) {
        on_thread([this, on] { refusing_ = on; });
    }

    /// While true, nothing is passed on in either direction and nothing ends.
    void freeze(bool on) {
        on_thread([this, on] {
            frozen_ = on;
            thaw_.expires_at(never);  // which wakes all who wait
        });
    }

    /// Breaks the next connection on which a request holds `text`, once.
    void break_on(std::string text, Break how) {
        on_thread([this, text = std::move(text), how] {
            break_text_ = text;
            break_how_ = how;
        });
    }

    /// Does this before the next request that holds `text` is passed on, once, on the
    /// proxy's thread.
    void before(std::string text, std::function<void()> act) {
        on_thread([this, text = std::move(text), act = std::move(act)] {
            act_text_ = text;
            act_ = act;
        });
    }

private:
    struct Link {
        explicit Link(boost::asio::io_context& context)
            : client(context), server(context) {}
        void close() {
            boost::system::error_code ignored;
            client.close(ignored);
            server.close(ignored);
        }
        tcp::socket client;
        tcp::socket server;
        bool doomed = false;  // the next answer is dropped
    };
    using LinkPtr = std::shared_ptr<Link>;

    template <class F>
    void on_thread(F work) {
        std::promise<void> done;
        boost::asio::post(context_, [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

    awaitable<void> accept() {
        for (;;) {
            auto link = std::make_shared<Link>(context_);
            co_await acceptor_.async_accept(link->client, boost::asio::use_awaitable);
            ++accepted_;
            if (!refusing_)
                boost::asio::co_spawn(context_, serve(link), boost::asio::detached);
        }
    }

    awaitable<void> serve(LinkPtr link) {
        using boost::asio::as_tuple;
        using boost::asio::use_awaitable;
        links_.insert(link);
        tcp::resolver resolver{context_};
        const auto [error, found] = co_await resolver.async_resolve(
            host_, std::to_string(server_port_), as_tuple(use_awaitable)
        );
        boost::system::error_code failed = error;
        if (!failed) {
            const auto [refused] = co_await link->server.async_connect(
                found.begin()->endpoint(), as_tuple(use_awaitable)
            );
            failed = refused;
        }
        if (failed) {
            link->close();
            links_.erase(link);
            co_return;
        }
        boost::asio::co_spawn(context_, answers(link), boost::asio::detached);
        co_await requests(link);
    }

    awaitable<void> requests(LinkPtr link) {
        std::array<char, 65536> buffer;
        for (;;) {
            const auto size = co_await receive(link->client, buffer);
            if (size == 0) break;
            const std::string_view text{buffer.data(), size};
            if (!break_text_.empty() && text.find(break_text_) != text.npos) {
                break_text_.clear();
                if (break_how_ == Break::before_request) break;
                link->doomed = true;
            }
            if (act_ && text.find(act_text_) != text.npos) std::exchange(act_, {})();
            if (!co_await send(link->server, text)) break;
        }
        link->close();
        links_.erase(link);
    }

    awaitable<void> answers(LinkPtr link) {
        std::array<char, 65536> buffer;
        for (;;) {
            const auto size = co_await receive(link->server, buffer);
            if (size == 0 || link->doomed) break;
            if (!co_await send(link->client, {buffer.data(), size})) break;
        }
        link->close();
    }

    // 0: the peer is gone.
    awaitable<std::size_t> receive(tcp::socket& from, std::array<char, 65536>& buffer) {
        using boost::asio::as_tuple;
        using boost::asio::use_awaitable;
        const auto [error, size] = co_await from.async_read_some(
            boost::asio::buffer(buffer), as_tuple(use_awaitable)
        );
        while (frozen_) {
            co_await thaw_.async_wait(as_tuple(use_awaitable));
        }
        co_return error ? 0 : size;
    }

    awaitable<bool> send(tcp::socket& to, std::string_view bytes) {
        const auto [error, size] = co_await boost::asio::async_write(
            to,
            boost::asio::buffer(bytes.data(), bytes.size()),
            boost::asio::as_tuple(boost::asio::use_awaitable)
        );
        co_return !error;
    }

    static constexpr auto never = std::chrono::steady_clock::time_point::max();

    const std::string host_;
    const std::uint16_t server_port_;
    boost::asio::io_context context_{1};
    tcp::acceptor acceptor_;
    const std::uint16_t port_;
    boost::asio::steady_timer thaw_{context_, never};
    std::set<LinkPtr> links_;
    bool refusing_ = false;
    bool frozen_ = false;
    std::string break_text_;
    Break break_how_ = Break::before_request;
    std::string act_text_;
    std::function<void()> act_;
    std::atomic<int> accepted_ = 0;
    std::thread thread_;
};

}  // namespace contract

#endif
