// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/kafka_proxy.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace resilience::e2e {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
constexpr auto quietly = net::as_tuple(net::use_awaitable);

std::uint32_t big_endian(std::string_view bytes, std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
}

// A length, the number of the request, its version, and a number of its own.
int api_of(const std::string& frame) { return static_cast<int>(big_endian(frame, 4, 2)); }
int version_of(const std::string& frame) {
    return static_cast<int>(big_endian(frame, 6, 2));
}
std::uint32_t correlation_of_request(const std::string& frame) {
    return big_endian(frame, 8, 4);
}
std::uint32_t correlation_of_answer(const std::string& frame) {
    return big_endian(frame, 4, 4);
}

bool is_position(const std::string& frame) {
    return frame.find(".position") != std::string::npos;
}

// One message with its length. Empty: the peer is gone.
net::awaitable<std::string> receive(tcp::socket& from) {
    std::string frame(4, '\0');
    auto [failed, got] = co_await net::async_read(from, net::buffer(frame), quietly);
    if (failed) co_return std::string{};
    const auto size = big_endian(frame, 0, 4);
    frame.resize(4 + size);
    auto [broken, rest] =
        co_await net::async_read(from, net::buffer(frame.data() + 4, size), quietly);
    if (broken) co_return std::string{};
    co_return frame;
}

net::awaitable<bool> send(tcp::socket& to, const std::string& frame) {
    const auto [failed, sent] =
        co_await net::async_write(to, net::buffer(frame), quietly);
    co_return !failed;
}

}  // namespace

struct KafkaProxy::Impl {
    struct Link {
        explicit Link(net::io_context& io) : client(io), server(io) {}
        void close() {
            boost::system::error_code ignored;
            client.close(ignored);
            server.close(ignored);
        }
        tcp::socket client;
        tcp::socket server;
        // What the unanswered requests are.
        std::map<std::uint32_t, int> apis;
        bool is_silent = false;
        std::optional<std::uint32_t> dropped_answer;
    };
    using LinkPtr = std::shared_ptr<Link>;

    struct Rule {
        Api api{};
        Fault fault{};
        std::chrono::milliseconds delay{};
    };
    enum class LateEnd { off, armed, kept, repeated, met };

    Impl()
        : acceptor(io, tcp::endpoint{net::ip::address_v4::loopback(), 0}),
          port(acceptor.local_endpoint().port()) {
        net::co_spawn(io, accept(), net::detached);
        thread = std::thread{[this] { io.run(); }};
    }
    ~Impl() {
        io.stop();
        thread.join();
    }

    net::awaitable<void> accept() {
        while (true) {
            auto link = std::make_shared<Link>(io);
            const auto [failed] = co_await acceptor.async_accept(link->client, quietly);
            if (!failed) net::co_spawn(io, serve(link), net::detached);
        }
    }

    tcp::endpoint broker() const {
        return {net::ip::address_v4::loopback(), static_cast<std::uint16_t>(server)};
    }

    net::awaitable<void> serve(LinkPtr link) {
        const auto [failed] = co_await link->server.async_connect(broker(), quietly);
        if (failed) {
            link->close();
            co_return;
        }
        net::co_spawn(io, answers(link), net::detached);
        while (true) {
            auto frame = co_await receive(link->client);
            if (frame.size() < 12) break;
            if (link->is_silent) continue;
            link->apis[correlation_of_request(frame)] = api_of(frame);
            const bool goes_on = co_await pass_request(link, std::move(frame));
            if (!goes_on) break;
        }
        link->close();
    }

    std::optional<Rule> rule_for(int api) {
        const std::lock_guard lock(mutex);
        if (!rule || static_cast<int>(rule->api) != api) return std::nullopt;
        return std::exchange(rule, std::nullopt);
    }

    // False: the connection ends.
    net::awaitable<bool> pass_request(LinkPtr link, std::string frame) {
        const int api = api_of(frame);
        if (api == static_cast<int>(Api::end_transaction)) {
            if (late_end == LateEnd::armed) {
                kept_end = std::move(frame);
                late_end = LateEnd::kept;
                co_return false;
            }
            if (late_end == LateEnd::kept) late_end = LateEnd::repeated;
        }
        if (late_end == LateEnd::repeated && api == static_cast<int>(Api::produce) &&
            is_position(frame)) {
            late_end = LateEnd::met;
            net::co_spawn(io, meet_late_end(link, std::move(frame)), net::detached);
            co_return true;
        }
        const auto chosen = rule_for(api);
        if (chosen) {
            has_fired = true;
            switch (chosen->fault) {
                case Fault::cut_before:
                    co_return false;
                case Fault::cut_after:
                    link->dropped_answer = correlation_of_request(frame);
                    break;
                case Fault::delay: {
                    net::steady_timer timer(io, chosen->delay);
                    co_await timer.async_wait(quietly);
                    break;
                }
                case Fault::half_open:
                    link->is_silent = true;
                    co_return true;
            }
        }
        const bool sent = co_await send(link->server, frame);
        co_return sent;
    }

    net::awaitable<void> answers(LinkPtr link) {
        while (true) {
            const auto frame = co_await receive(link->server);
            if (frame.size() < 8) break;
            if (link->is_silent) continue;
            const auto correlation = correlation_of_answer(frame);
            if (link->dropped_answer == correlation) break;
            const auto known = link->apis.find(correlation);
            if (known != link->apis.end()) {
                if (known->second == static_cast<int>(Api::produce)) ++produced;
                link->apis.erase(known);
            }
            const bool sent = co_await send(link->client, frame);
            if (!sent) break;
        }
        link->close();
    }

    // The position's own request waits until the events' was answered and the late end
    // was.
    net::awaitable<void> meet_late_end(LinkPtr link, std::string position) {
        const int before = produced;
        net::steady_timer timer(io);
        for (int i = 0; i < 100 && produced == before; ++i) {
            timer.expires_after(std::chrono::milliseconds{10});
            co_await timer.async_wait(quietly);
        }
        tcp::socket late(io);
        const auto [failed] = co_await late.async_connect(broker(), quietly);
        bool sent = false;
        if (!failed) sent = co_await send(late, kept_end);
        if (sent) {
            const auto answer = co_await receive(late);
            // After the throttle time; later versions have a byte of tags before it.
            const std::size_t at = version_of(kept_end) >= 3 ? 13 : 12;
            if (answer.size() >= at + 2) {
                late_answer = static_cast<int>(big_endian(answer, at, 2));
            }
        }
        const bool passed = co_await send(link->server, position);
        if (!passed) link->close();
    }

    net::io_context io{1};
    tcp::acceptor acceptor;
    int port;
    std::atomic<int> server{0};
    std::mutex mutex;
    std::optional<Rule> rule;
    std::atomic<bool> has_fired{false};
    std::atomic<LateEnd> late_end{LateEnd::off};
    std::atomic<int> late_answer{-1};
    std::string kept_end;
    int produced = 0;
    std::thread thread;
};

KafkaProxy::KafkaProxy() : impl_(std::make_unique<Impl>()) {}
KafkaProxy::~KafkaProxy() = default;

int KafkaProxy::port() const { return impl_->port; }

void KafkaProxy::forward_to(int port) { impl_->server = port; }

void KafkaProxy::arm(Api api, Fault fault, std::chrono::milliseconds delay) {
    const std::lock_guard lock(impl_->mutex);
    impl_->has_fired = false;
    impl_->rule = Impl::Rule{api, fault, delay};
}

bool KafkaProxy::fired() const { return impl_->has_fired; }

void KafkaProxy::arm_late_end() { impl_->late_end = Impl::LateEnd::armed; }

std::optional<int> KafkaProxy::late_end_answer() const {
    const int answer = impl_->late_answer;
    if (answer < 0) return std::nullopt;
    return answer;
}

}  // namespace resilience::e2e
