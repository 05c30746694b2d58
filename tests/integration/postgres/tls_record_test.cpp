// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <string>
#include <thread>

using namespace postgres_tests;

namespace {

using tcp = net::ip::tcp;

/** Speaks TLS with one client and plain text with the server, and packs each answer into
    two TLS records: a small one, and a last one of the largest size.

    libpq's buffer, which begins with a part of a row, has room for a part of the second
   only, so the rest stays inside its TLS layer, where no socket tells of it.
*/
class TlsFront {
public:
    TlsFront() : acceptor_(context_, tcp::endpoint{net::ip::address_v4::loopback(), 0}) {
        const auto folder =
            std::filesystem::path{environment("RESILIENCE_TEST_TLS_CA")}.parent_path();
        tls_.use_certificate_chain_file(folder / "server.crt");
        tls_.use_private_key_file(folder / "server.key", net::ssl::context::pem);
        thread_ = std::thread{[this] {
            try {
                serve();
            } catch (const boost::system::system_error&) {
                // The client has gone, as it should in the end.
            }
        }};
    }
    ~TlsFront() { thread_.join(); }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    static constexpr std::size_t largest_record = 16384;

    void serve() {
        net::ssl::stream<tcp::socket> client{acceptor_.accept(), tls_};
        std::array<char, 8> ssl_request{};
        net::read(client.next_layer(), net::buffer(ssl_request));
        net::write(client.next_layer(), net::buffer("S", 1));
        client.handshake(net::ssl::stream_base::server);
        tcp::socket server{context_};
        server.connect(
            {net::ip::make_address(postgres_tests::server().host), server_port()}
        );
        std::array<char, largest_record> request{};
        for (;;) {
            const auto size = client.read_some(net::buffer(request));
            net::write(server, net::buffer(request.data(), size));
            const auto text = answer(server);
            const auto first =
                text.size() > largest_record ? text.size() - largest_record : 0;
            if (first > 0) net::write(client, net::buffer(text.data(), first));
            net::write(client, net::buffer(text.data() + first, text.size() - first));
        }
    }

    static std::uint16_t server_port() { return postgres_tests::server().port; }

    // Messages up to the one after which the server waits for the client.
    static std::string answer(tcp::socket& server) {
        std::string text;
        for (;;) {
            const auto start = text.size();
            text.resize(start + 5);
            net::read(server, net::buffer(text.data() + start, 5));
            std::size_t length = 0;
            for (std::size_t i = 1; i < 5; ++i) {
                length = length * 256 + static_cast<unsigned char>(text[start + i]);
            }
            text.resize(start + 1 + length);
            net::read(server, net::buffer(text.data() + start + 5, length - 4));
            const bool ready = text[start] == 'Z';
            // Authentication: only `ok` and `final` are followed by more.
            const bool asks =
                text[start] == 'R' && text[start + 8] != 0 && text[start + 8] != 12;
            if (ready || asks) return text;
        }
    }

    net::io_context context_;
    net::ssl::context tls_{net::ssl::context::tls_server};
    tcp::acceptor acceptor_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("connection: bytes that TLS has decrypted already are not waited for") {
    run([](net::io_context&) -> net::awaitable<void> {
        const TlsFront front;
        auto options = server();
        options.host = "127.0.0.1";
        options.port = front.port();
        options.ssl_mode = pg::SslMode::require;
        options.extra = {{"channel_binding", "disable"}};
        auto connection = co_await connected(options);
        // Rows that fit into libpq's buffer, else it would make room for a whole record.
        for (const int count : {1, 18, 20, 23}) {
            const auto rows = co_await connection.async_execute(
                "SELECT repeat('y', 1000) FROM generate_series(1, $1)",
                pg::parameters(count)
            );
            REQUIRE(ok(rows));
            CHECK(rows->size() == static_cast<std::size_t>(count));
        }
        connection.close();
        co_await until([&] { return !connection.is_open(); });
    });
}
