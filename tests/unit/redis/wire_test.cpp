// SPDX-License-Identifier: MIT
#include <src/redis/wire.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using redis::detail::ReplyReader;
using redis::detail::server_failure;
using redis::detail::Wire;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t limit = 4096;

// Feeds the pieces one after the other and collects whole replies until an error.
struct Outcome {
    std::vector<Reply> replies;
    std::optional<Failure> failure;
};

Outcome read(std::span<const std::string> pieces) {
    ReplyReader reader(limit);
    Outcome outcome;
    for (const auto& piece : pieces) {
        reader.feed(piece);
        for (;;) {
            auto reply = reader.next();
            if (!reply) {
                outcome.failure = reply.error();
                return outcome;
            }
            if (!*reply) break;
            outcome.replies.push_back(std::move(**reply));
        }
    }
    return outcome;
}

Outcome read(const std::string& bytes) {
    const std::string pieces[] = {bytes};
    return read(pieces);
}

const std::string sample =
    "+OK\r\n:-42\r\n$-1\r\n*-1\r\n$5\r\na\r\n\0b\r\n-ERR no\r\n*3\r\n:1\r\n*2\r\n$0\r\n\r\n+x\r\n$-1\r\n*0\r\n"s;

std::vector<Reply> sample_replies() {
    return {
        Reply::of_status("OK"),
        Reply::of_integer(-42),
        Reply{},
        Reply{},
        Reply::of_bulk("a\r\n\0b"s),
        Reply::of_error("ERR no"),
        Reply::of_array(
            {Reply::of_integer(1),
             Reply::of_array({Reply::of_bulk(""), Reply::of_status("x")}),
             Reply{}}
        ),
        Reply::of_array({}),
    };
}

}  // namespace

TEST_CASE("a command is framed byte for byte, whatever its arguments hold") {
    const std::string_view args[] = {"SET", "a b\r\n"sv, std::string_view{}, "\0"sv};
    CHECK(
        Wire(args).bytes() ==
        "*4\r\n$3\r\nSET\r\n$5\r\na b\r\n\r\n$0\r\n\r\n$1\r\n\0\r\n"sv
    );
}

TEST_CASE("replies are the same at whatever bytes they are split") {
    CHECK(read(sample).replies == sample_replies());
    for (std::size_t cut = 0; cut <= sample.size(); ++cut) {
        CAPTURE(cut);
        const std::string pieces[] = {sample.substr(0, cut), sample.substr(cut)};
        const auto outcome = read(pieces);
        CHECK(outcome.replies == sample_replies());
        CHECK_FALSE(outcome.failure);
    }
    std::vector<std::string> bytes;
    for (const char c : sample) bytes.emplace_back(1, c);
    CHECK(read(bytes).replies == sample_replies());
}

TEST_CASE("an array longer than its first room arrives whole and in order") {
    std::string bytes = "*300\r\n";
    std::vector<Reply> parts;
    for (int i = 0; i < 300; ++i) {
        bytes += "*1\r\n:" + std::to_string(i) + "\r\n";
        parts.push_back(Reply::of_array({Reply::of_integer(i)}));
    }
    const auto outcome = read(bytes);
    REQUIRE(outcome.replies.size() == 1);
    CHECK(outcome.replies[0] == Reply::of_array(parts));
}

TEST_CASE("a peer that breaks the protocol is a protocol error") {
    for (const std::string& bytes :
         {"HTTP/1.1 400 Bad Request\r\n\r\n"s,
          ":12x\r\n"s,
          "$x\r\n"s,
          "*x\r\n"s,
          "$-2\r\n"s,
          "\0\0\0\0"s,
          "%1\r\n+a\r\n+b\r\n"s,
          "_\r\n"s,
          ",1.5\r\n"s,
          "#t\r\n"s,
          ">1\r\n+push\r\n"s,
          "*1\r\n,1.5\r\n"s}) {
        CAPTURE(bytes);
        const auto outcome = read(bytes);
        CHECK(outcome.replies.empty());
        REQUIRE(outcome.failure);
        CHECK(*outcome.failure == Errc::protocol_error);
        CHECK_FALSE(outcome.failure->detail.empty());
    }
}

TEST_CASE("a reply over the limit ends in an error before it fills the memory") {
    SUBCASE("an endless bulk") {
        ReplyReader reader(limit);
        reader.feed("$1000000000000\r\n");
        std::size_t fed = 0;
        while (reader.next() && fed < 10 * limit) {
            reader.feed(std::string(100, 'x'));
            fed += 100;
        }
        CHECK(fed <= limit + 100);
    }
    SUBCASE("an endless line") {
        ReplyReader reader(limit);
        reader.feed("+");
        std::size_t fed = 0;
        while (reader.next() && fed < 10 * limit) {
            reader.feed(std::string(100, 'x'));
            fed += 100;
        }
        CHECK(fed <= limit + 100);
    }
    SUBCASE("a complete bulk") {
        CHECK(read("$5000\r\n" + std::string(5000, 'x') + "\r\n").failure);
        CHECK_FALSE(read("$4000\r\n" + std::string(4000, 'x') + "\r\n").failure);
    }
    SUBCASE("an array that claims more elements than fit") {
        CHECK(read("*2000\r\n").failure);
        CHECK(read("*2147483647\r\n").failure);
        CHECK(read("*99999999999999999999\r\n").failure);
    }
    SUBCASE("many arrays that each claim what would fit alone") {
        std::string bytes = "*1000\r\n";
        for (int i = 0; i < 1000; ++i) bytes += "*1000\r\n";
        CHECK(read(bytes).failure);
    }
    SUBCASE("deep nesting") {
        std::string bytes;
        for (int i = 0; i < 100; ++i) bytes += "*1\r\n";
        CHECK(read(bytes + ":1\r\n").failure);
        CHECK_FALSE(read("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n").failure);
    }
    SUBCASE("the limit is for each reply, not for all of them") {
        std::string bytes;
        for (int i = 0; i < 5000; ++i) bytes += ":1\r\n";
        const auto outcome = read(bytes);
        CHECK_FALSE(outcome.failure);
        CHECK(outcome.replies.size() == 5000);
    }
}

TEST_CASE("random bytes never crash the reader") {
    std::mt19937_64 random(7);
    const std::string alphabet = "*$:+-0123456789\r\n\r\n\r\nabc\0"s;
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        const auto size = random() % 40;
        for (std::size_t i = 0; i < size; ++i) {
            bytes += alphabet[random() % alphabet.size()];
        }
        const auto outcome = read(bytes);
        CHECK(outcome.replies.size() <= bytes.size());
    }
}

TEST_CASE("errors of the server and the user are told from those of the command") {
    const auto code = [](std::string_view words) {
        const auto failure = server_failure(words);
        return failure ? failure->code : std::error_code{};
    };
    CHECK(code("NOAUTH Authentication required.") == Errc::access_denied);
    CHECK(code("WRONGPASS invalid") == Errc::access_denied);
    CHECK(code("NOPERM this user") == Errc::access_denied);
    CHECK(code("LOADING Redis is loading") == Errc::unavailable);
    CHECK(code("BUSY Redis is busy") == Errc::unavailable);
    CHECK(code("MASTERDOWN Link") == Errc::unavailable);
    CHECK(code("READONLY You can't write") == Errc::storage_full);
    CHECK(code("OOM command not allowed") == Errc::storage_full);
    CHECK(code("MISCONF Redis is configured") == Errc::storage_full);
    CHECK(code("MOVED 1 127.0.0.1:1") == Errc::bad_destination);
    CHECK(code("CROSSSLOT Keys") == Errc::bad_destination);
    CHECK(code("ERR unknown command") == std::error_code{});
    CHECK(code("NOAUTHX") == std::error_code{});
    CHECK(code("") == std::error_code{});
}
