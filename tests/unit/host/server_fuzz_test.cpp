// SPDX-License-Identifier: MIT
#include "loopback.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace resilience::host {
namespace {

const std::string& conversation() {
    static const std::string text =
        get("/hello", "X-Request-Id: a\r\n") + post("/echo", "body") +
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: 1\r\n\r\n" +
        get("/hello", "X-Request-Id: b\r\n");
    return text;
}

void check_conversation(Client& client) {
    CHECK(client.receive().body == "hello a");
    CHECK(client.receive().body == "body");
    CHECK(client.receive().body == "hello world");
    CHECK(client.receive().body == "hello b");
}

TEST_CASE_FIXTURE(Loopback, "Requests are the same wherever the network splits them") {
    start();
    const std::string& text = conversation();
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        CAPTURE(cut);
        Client client = connect();
        client.send(text.substr(0, cut));
        client.send(text.substr(cut));
        check_conversation(client);
    }
    Client client = connect();
    for (char c : text) client.send({&c, 1});
    check_conversation(client);
}

TEST_CASE_FIXTURE(Loopback, "Random bytes end their connection and nothing else") {
    start();
    std::mt19937 random{20260304};
    std::uniform_int_distribution<int> byte{0, 255};
    std::uniform_int_distribution<std::size_t> length{1, 2000};
    for (int round = 0; round < 300; ++round) {
        std::string bytes(length(random), '\0');
        for (char& c : bytes) c = static_cast<char>(byte(random));
        Client client = connect();
        client.send(bytes);
        client.finish_sending();
        client.receive();
    }
    CHECK(connect().ask(get("/hello")).status == 200);
    wait_until_empty();
}

TEST_CASE_FIXTURE(Loopback, "Damaged requests are answered or cut, never fatal") {
    start();
    std::mt19937 random{7};
    std::uniform_int_distribution<int> byte{0, 255};
    const std::string& text = conversation();
    std::uniform_int_distribution<std::size_t> place{0, text.size() - 1};
    std::uniform_int_distribution<std::size_t> changes{1, 4};
    std::uniform_int_distribution<int> kind{0, 2};
    for (int round = 0; round < 1000; ++round) {
        std::string bytes = text;
        for (std::size_t n = changes(random); n > 0; --n) {
            const std::size_t at = place(random) % bytes.size();
            switch (kind(random)) {
                case 0:
                    bytes[at] = static_cast<char>(byte(random));
                    break;
                case 1:
                    bytes.erase(at, 1 + at % 7);
                    break;
                default:
                    bytes.insert(at, bytes.substr(at / 2, 1 + at % 11));
                    break;
            }
        }
        Client client = connect();
        client.send(bytes);
        client.finish_sending();
        while (client.receive().status != 0) {
        }
        CHECK(client.ended());
    }
    CHECK(connect().ask(get("/hello")).status == 200);
    wait_until_empty();
}

}  // namespace
}  // namespace resilience::host
