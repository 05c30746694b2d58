// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <resilience/redis/token_bucket_store.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;
using namespace std::chrono;
using namespace std::string_literals;

namespace {

// So slow that no token arrives while a test runs.
TokenBucketStoreOptions slow(std::uint64_t burst) {
    return {
        .tokens = 1,
        .period = hours{1},
        .burst = burst,
        .prefix = fresh_prefix(),
    };
}

// A store on a server, with calls that wait.
struct Client {
    explicit Client(ConnectionOptions options, TokenBucketStoreOptions limit)
        : connection(io.get_executor(), std::move(options)),
          store(connection, std::move(limit)) {}

    net::io_context io;
    Connection connection;
    TokenBucketStore store;

    Result<BucketDecision> consume(const std::string& key, std::uint64_t tokens = 1) {
        return run(io, store.async_consume(key, tokens, net::use_awaitable));
    }
    Result<BucketDecision> check(const std::string& key, std::uint64_t tokens = 1) {
        return run(io, store.async_check(key, tokens, net::use_awaitable));
    }
    Result<void> reset(const std::string& key) {
        return run(io, store.async_reset(key, net::use_awaitable));
    }
    Result<std::vector<BucketDecision>> each(std::vector<BucketRequest> requests) {
        return run(io, store.async_consume_each(std::move(requests), net::use_awaitable));
    }
    Result<GroupDecision> all(std::vector<BucketRequest> requests) {
        return run(io, store.async_consume_all(std::move(requests), net::use_awaitable));
    }
};

}  // namespace

TEST_CASE("M2, M3, M4: check takes nothing, consume takes, reset fills") {
    Client client(shared_server(), slow(10));
    CHECK(client.check("a", 10)->remaining == 10);
    CHECK(client.check("a", 10)->admission.admitted);
    CHECK(client.consume("a", 7)->remaining == 3);
    CHECK(client.consume("b", 1)->remaining == 9);

    const auto refused = client.consume("a", 4);
    REQUIRE(refused.has_value());
    CHECK_FALSE(refused->admission.admitted);
    CHECK(refused->remaining == 3);
    CHECK(refused->limit == 10);
    CHECK(refused->admission.retry_after <= hours{1});
    CHECK(refused->admission.retry_after > minutes{59});
    CHECK(refused->time_to_full > hours{6});
    CHECK_FALSE(client.check("a", 4)->admission.admitted);

    CHECK(client.consume("a", 0)->admission.admitted);
    CHECK(client.consume("a", 3)->remaining == 0);
    CHECK(client.reset("a").has_value());
    CHECK(client.check("a")->remaining == 10);
    CHECK(client.reset("never used").has_value());
}

TEST_CASE("M11: the server's clock refills the bucket") {
    auto limit = slow(1);
    limit.period = milliseconds{20};
    Client client(shared_server(), limit);
    REQUIRE(client.consume("a")->admission.admitted);
    const auto refused = client.consume("a");
    REQUIRE(refused.has_value());
    net::steady_timer timer(client.io, refused->admission.retry_after);
    run(client.io, [](net::steady_timer& t) -> net::awaitable<bool> {
        co_await t.async_wait(net::use_awaitable);
        co_return true;
    }(timer));
    CHECK(client.consume("a")->admission.admitted);
}

TEST_CASE("M5: one by one takes what it can, in order, also from one key twice") {
    Client client(shared_server(), slow(10));
    const auto decisions =
        client.each({{"a", 6}, {"b", 1}, {"a", 6}, {"a", 4}, {"b", 11}, {"a", 1}});
    REQUIRE(decisions.has_value());
    std::string admitted;
    for (const auto& decision : *decisions) {
        admitted += decision.admission.admitted ? 'y' : 'n';
    }
    CHECK(admitted == "yynynn");
    CHECK((*decisions)[2].remaining == 4);
    CHECK((*decisions)[3].remaining == 0);
    CHECK_FALSE((*decisions)[4].admission.possible());
    CHECK((*decisions)[5].admission.possible());
    CHECK(client.check("a")->remaining == 0);
    CHECK(client.check("b")->remaining == 9);
}

TEST_CASE("M5: a thousand keys one by one and a thousand together") {
    Client client(shared_server(), slow(10));
    std::vector<BucketRequest> requests;
    for (int i = 0; i < 1000; ++i) requests.push_back({"k" + std::to_string(i), 1});
    const auto each = client.each(requests);
    REQUIRE(each.has_value());
    for (const auto& decision : *each) CHECK(decision.remaining == 9);
    const auto all = client.all(requests);
    REQUIRE(all.has_value());
    CHECK(all->admission.admitted);
    for (const auto& bucket : all->buckets) CHECK(bucket.remaining == 8);

    REQUIRE(client.consume("k777", 8)->admission.admitted);
    const auto refused = client.all(requests);
    REQUIRE(refused.has_value());
    CHECK_FALSE(refused->admission.admitted);
    CHECK(refused->binding == 777);
    CHECK(client.check("k0")->remaining == 8);
}

TEST_CASE("M5: a group adds up the requests for one key") {
    Client client(shared_server(), slow(10));
    CHECK(client.all({{"a", 5}, {"a", 5}})->admission.admitted);
    CHECK(client.check("a")->remaining == 0);
    CHECK_FALSE(client.all({{"b", 1}, {"a", 1}})->admission.admitted);
    CHECK(client.check("b")->remaining == 10);
}

TEST_CASE("M11: keys may hold any bytes") {
    Client client(shared_server(), slow(10));
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    for (const auto& key :
         {every,
          ""s,
          " "s,
          "a b"s,
          "a\nb"s,
          "a\r\n$3\r\n"s,
          "\0"s,
          "\0\0"s,
          "{tag}"s,
          "\xff\xfe"s,
          "'; redis.call('FLUSHALL') --"s,
          std::string(1024, 'k')}) {
        CAPTURE(key);
        REQUIRE(client.consume(key, 3).has_value());
        CHECK(client.check(key)->remaining == 7);
        CHECK(client.reset(key).has_value());
    }
}

TEST_CASE("M11: a key that holds something else is named and left alone until its reset"
) {
    Client client(shared_server(), slow(10));
    const auto prefix = client.store.options().prefix;
    const auto do_ask = [&](Command command) {
        return ask(client.io, client.connection, std::move(command)).value();
    };
    do_ask({"SET", prefix + "text", "not a bucket"});
    do_ask({"SET", prefix + "as long as a bucket", std::string(24, 'a')});
    do_ask({"SET", prefix + "nan", std::string(24, '\xff')});
    do_ask({"RPUSH", prefix + "list", "x"});
    const auto names = [&](const Failure& failure, const std::string& key) {
        return failure == Errc::corrupt_data &&
               failure.detail.find("'" + prefix + key + "'") != std::string::npos;
    };
    const std::string keys[] = {"text", "as long as a bucket", "nan", "list"};
    for (const auto& key : keys) {
        CAPTURE(key);
        CHECK(names(client.check(key).error(), key));
        CHECK(names(client.consume(key).error(), key));
        // Nothing is taken from the keys before it either.
        CHECK(names(client.each({{"good", 1}, {key, 1}}).error(), key));
        CHECK(names(client.all({{"good", 1}, {key, 1}}).error(), key));
    }
    CHECK(client.check("good")->remaining == 10);
    CHECK(do_ask({"LRANGE", prefix + "list", "0", "-1"}).elements.size() == 1);
    for (const auto& key : keys) {
        CHECK(client.reset(key).has_value());
        CHECK(client.consume(key)->remaining == 9);
        CHECK(client.reset(key).has_value());
    }
}

TEST_CASE("M11: a refusal and a check write nothing") {
    PrivateServer server;
    Client client(server.options(), slow(10));
    REQUIRE(client.consume("a", 10)->admission.admitted);
    const auto changes = [&] {
        const auto text =
            ask(client.io, client.connection, {"INFO", "persistence"}).value().text;
        const auto at = text.find("rdb_changes_since_last_save:");
        return text.substr(at, text.find('\r', at) - at);
    };
    const auto before = changes();
    CHECK_FALSE(client.consume("a")->admission.admitted);
    CHECK_FALSE(client.all({{"a", 1}, {"b", 1}})->admission.admitted);
    CHECK(client.check("b", 5)->admission.admitted);
    CHECK(client.consume("b", 0)->admission.admitted);
    CHECK(changes() == before);
    REQUIRE(client.consume("b")->admission.admitted);
    CHECK(changes() != before);
}

TEST_CASE("M11: a key lives until its bucket is full, and at least the shortest life") {
    auto limit = slow(10);
    limit.min_ttl = minutes{5};
    Client client(shared_server(), limit);
    const auto pttl = [&](const std::string& key) {
        return ask(client.io, client.connection, {"PTTL", limit.prefix + key})
            .value()
            .integer;
    };
    REQUIRE(client.consume("a", 2).has_value());
    CHECK(pttl("a") <= 7'200'001);
    CHECK(pttl("a") > 7'190'000);

    limit.period = milliseconds{1};
    limit.prefix += "quick:";
    TokenBucketStore quick(client.connection, limit);
    REQUIRE(run(client.io, quick.async_consume("a", 2, net::use_awaitable)).has_value());
    CHECK(pttl("a") <= 300'000);
    CHECK(pttl("a") > 290'000);
}

TEST_CASE("M11: scripts flushed in the middle are loaded again, without losing a token") {
    PrivateServer server;
    Client client(server.options(), slow(1000));
    for (int round = 0; round < 50; ++round) {
        REQUIRE(client.consume("a").has_value());
        REQUIRE(ask(client.io, client.connection, {"SCRIPT", "FLUSH"}).has_value());
        REQUIRE(client.each({{"a", 1}, {"a", 1}}).has_value());
        REQUIRE(client.all({{"a", 1}}).has_value());
    }
    CHECK(client.check("a")->remaining == 1000 - 4 * 50);
    CHECK(client.connection.snapshot().losses == 0);
}

TEST_CASE("M11: FLUSHALL empties the store, so buckets are full again") {
    PrivateServer server;
    Client client(server.options(), slow(10));
    REQUIRE(client.consume("a", 10)->admission.admitted);
    REQUIRE(ask(client.io, client.connection, {"FLUSHALL"}).has_value());
    CHECK(client.consume("a", 10)->admission.admitted);
}

TEST_CASE("P2, M11: 64 coroutines on 4 threads are admitted exactly the burst") {
    auto limit = slow(1000);
    std::atomic<int> admitted{0};
    std::atomic<int> refused{0};
    std::atomic<int> failed{0};
    {
        net::thread_pool threads(4);
        auto options = shared_server();
        options.request_timeout = seconds{10};
        options.silence_limit = seconds{10};
        Connection connection(threads.get_executor(), options);
        TokenBucketStore store(connection, limit);
        std::atomic<int> running{64};
        for (int i = 0; i < 64; ++i) {
            net::co_spawn(
                threads,
                [&]() -> net::awaitable<void> {
                    for (int turn = 0; turn < 40; ++turn) {
                        const auto decision =
                            co_await store.async_consume("a", 1, net::use_awaitable);
                        if (!decision)
                            ++failed;
                        else if (decision->admission)
                            ++admitted;
                        else
                            ++refused;
                    }
                    if (--running == 0) connection.close();
                },
                net::detached
            );
        }
        threads.join();
    }
    CHECK(failed == 0);
    CHECK(admitted == 1000);
    CHECK(refused == 64 * 40 - 1000);
}

TEST_CASE("P2, M11: two processes' connections share one limit") {
    const auto limit = slow(100);
    Client one(shared_server(), limit);
    Client two(shared_server(), limit);
    int admitted = 0;
    for (int turn = 0; turn < 100; ++turn) {
        admitted += one.consume("a")->admission.admitted ? 1 : 0;
        admitted += two.consume("a")->admission.admitted ? 1 : 0;
    }
    CHECK(admitted == 100);
}
