// SPDX-License-Identifier: MIT
#include "scripted_peer.hpp"

#include <resilience/redis/token_bucket_store.hpp>

#include <src/redis/bucket_script.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <memory>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;
using std::chrono::seconds;

namespace {

constexpr std::size_t first_key = 3;

std::size_t keys_of(const Command& command) { return std::stoul(command.at(2)); }

// What the script answers when each of `keys` was admitted and keeps `left` tokens, the
// price being a million credits.
std::string admitted(std::size_t keys, int left = 0) {
    std::string answer = "*" + std::to_string(1 + 3 * keys) + "\r\n:0\r\n";
    for (std::size_t k = 0; k < keys; ++k) {
        answer += ":0\r\n:" + std::to_string(left * 1'000'000) + "\r\n:0\r\n";
    }
    return answer;
}

const TokenBucketStoreOptions limit{
    .tokens = 1, .period = seconds{1}, .burst = 10, .prefix = "t:"};

// A store whose server answers scripts by `script`.
struct Fixture {
    net::io_context io;
    ScriptedPeer::Script script = [](const Command& command) {
        return admitted(keys_of(command));
    };
    ScriptedPeer peer{io, ScriptedPeer::greeting([this](const Command& command) {
                          return script(command);
                      })};
    std::unique_ptr<Connection> connection =
        std::make_unique<Connection>(io.get_executor(), peer.options());
    TokenBucketStore store{*connection, limit};

    Result<BucketDecision> consume(const std::string& key, std::uint64_t tokens = 1) {
        return run(io, store.async_consume(key, tokens, net::use_awaitable));
    }
    Result<std::vector<BucketDecision>> each(std::vector<BucketRequest> requests) {
        return run(io, store.async_consume_each(std::move(requests), net::use_awaitable));
    }
    Result<GroupDecision> all(std::vector<BucketRequest> requests) {
        return run(io, store.async_consume_all(std::move(requests), net::use_awaitable));
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "M3, M11: consuming is one script in one round trip") {
    script = [](const Command& command) { return admitted(keys_of(command), 7); };
    const auto decision = consume("alice", 3);
    REQUIRE(decision.has_value());
    CHECK(decision->admission.admitted);
    CHECK(decision->remaining == 7);
    CHECK(decision->limit == 10);
    CHECK(peer.count("EVALSHA") == 1);
    const auto& call = peer.commands.back();
    CHECK(call.at(1) == redis::detail::bucket_script_sha());
    CHECK(call.at(first_key) == "t:alice");
    CHECK(call.at(first_key + 6) == "1");
    CHECK(call.at(first_key + 7) == "3000000");
}

TEST_CASE_FIXTURE(
    Fixture, "M11: the script is loaded with the greeting of each connection"
) {
    REQUIRE(consume("a").has_value());
    CHECK(peer.count("SCRIPT") == 1);
    peer.cut();
    io.poll();
    REQUIRE(consume("a").has_value());
    CHECK(peer.count("SCRIPT") == 2);
    CHECK(peer.commands.at(1).at(2) == redis::detail::bucket_script());
}

TEST_CASE_FIXTURE(Fixture, "M2: checking asks for nothing to be taken") {
    const auto decision = run(io, store.async_check("alice", 2, net::use_awaitable));
    REQUIRE(decision.has_value());
    CHECK(peer.commands.back().at(first_key + 6) == "0");
    CHECK(peer.commands.back().at(first_key + 7) == "2000000");
}

TEST_CASE_FIXTURE(Fixture, "M4: resetting deletes the key") {
    script = [](const Command&) { return std::string(":1\r\n"); };
    CHECK(run(io, store.async_reset("alice", net::use_awaitable)).has_value());
    CHECK(peer.commands.back() == Command{"DEL", "t:alice"});
    script = [](const Command&) { return std::string("-READONLY replica\r\n"); };
    const auto refused = run(io, store.async_reset("alice", net::use_awaitable));
    CHECK(refused.error() == Errc::storage_full);
}

TEST_CASE_FIXTURE(
    Fixture, "M11: a server that does not know the script is given its text"
) {
    script = [](const Command& command) -> std::string {
        if (command.at(0) == "EVALSHA") return "-NOSCRIPT No matching script.\r\n";
        return admitted(keys_of(command), 4);
    };
    const auto decision = consume("alice", 2);
    REQUIRE(decision.has_value());
    CHECK(decision->remaining == 4);
    const auto& call = peer.commands.back();
    CHECK(call.at(0) == "EVAL");
    CHECK(call.at(1) == redis::detail::bucket_script());
    CHECK(call.at(first_key) == "t:alice");
    CHECK(call.at(first_key + 7) == "2000000");
}

TEST_CASE_FIXTURE(
    Fixture, "M11: a server that never knows the script is asked twice only"
) {
    script = [](const Command&) { return std::string("-NOSCRIPT No.\r\n"); };
    const auto decision = consume("alice");
    CHECK(decision.error() == Errc::invalid_request);
    CHECK(peer.count("EVALSHA") == 1);
    CHECK(peer.count("EVAL") == 1);
}

TEST_CASE_FIXTURE(Fixture, "M3: more than the bucket holds is never admitted nor asked") {
    const auto decision = consume("alice", 11);
    REQUIRE(decision.has_value());
    CHECK_FALSE(decision->admission.admitted);
    CHECK(decision->admission.retry_after == Admission::never);
    CHECK(decision->limit == 10);
    const auto most = std::numeric_limits<std::uint64_t>::max();
    CHECK_FALSE(consume("alice", most)->admission.possible());
    const auto check = run(io, store.async_check("alice", 11, net::use_awaitable));
    CHECK_FALSE(check->admission.possible());
    CHECK(peer.connections == 0);
}

TEST_CASE_FIXTURE(
    Fixture, "M5: a thousand requests one by one are scripts of a hundred keys"
) {
    script = [](const Command& command) {
        return admitted(keys_of(command), static_cast<int>(keys_of(command)) / 10);
    };
    std::vector<BucketRequest> requests;
    for (int i = 0; i < 1000; ++i) requests.push_back({"k" + std::to_string(i), 1});
    requests[0].tokens = 11;
    requests[500].tokens = 12;
    const auto decisions = each(requests);
    REQUIRE(decisions.has_value());
    REQUIRE(decisions->size() == 1000);
    CHECK_FALSE((*decisions)[0].admission.possible());
    CHECK_FALSE((*decisions)[500].admission.possible());
    CHECK((*decisions)[1].remaining == 10);
    CHECK((*decisions)[999].remaining == 9);
    CHECK(peer.count("EVALSHA") == 10);
    for (const auto& command : peer.commands) {
        if (command.at(0) == "EVALSHA") CHECK(keys_of(command) <= 100);
    }
}

TEST_CASE_FIXTURE(
    Fixture, "M5: more than a thousand requests, or a long key, are refused"
) {
    const std::vector<BucketRequest> many(1001, {"k", 1});
    CHECK(each(many).error() == Errc::invalid_request);
    CHECK(all(many).error() == Errc::invalid_request);
    CHECK(consume(std::string(1025, 'k')).error() == Errc::invalid_request);
    CHECK(each({{std::string(1025, 'k'), 1}}).error() == Errc::invalid_request);
    CHECK(peer.connections == 0);
    CHECK(consume(std::string(1024, 'k')).has_value());
}

TEST_CASE_FIXTURE(Fixture, "M5: no requests need no server") {
    CHECK(each({})->empty());
    const auto group = all({});
    CHECK(group->admission.admitted);
    CHECK(group->buckets.empty());
    CHECK(peer.connections == 0);
}

TEST_CASE_FIXTURE(
    Fixture, "M5: a part that fails after another was decided is in doubt"
) {
    script = [](const Command& command) -> std::string {
        if (command.at(first_key) == "t:k100") return "-OOM command not allowed\r\n";
        return admitted(keys_of(command));
    };
    std::vector<BucketRequest> requests;
    for (int i = 0; i < 200; ++i) requests.push_back({"k" + std::to_string(i), 1});
    const auto decisions = each(requests);
    REQUIRE_FALSE(decisions.has_value());
    CHECK(is_in_doubt(decisions.error().code));
    CHECK(decisions.error().detail.find("OOM") != std::string::npos);

    requests.erase(requests.begin(), requests.begin() + 100);
    CHECK(each(requests).error() == Errc::storage_full);
}

TEST_CASE_FIXTURE(Fixture, "M5: a group is one script in which each key stands once") {
    const auto group = all({{"a", 1}, {"b", 2}, {"a", 3}});
    REQUIRE(group.has_value());
    CHECK(group->admission.admitted);
    CHECK(group->buckets.size() == 3);
    const auto& call = peer.commands.back();
    CHECK(keys_of(call) == 2);
    CHECK(call.at(first_key + 7) == "2");
    CHECK(call.at(first_key + 8) == "4000000");
    CHECK(call.at(first_key + 9) == "2000000");

    std::vector<BucketRequest> many;
    for (int i = 0; i < 1000; ++i) many.push_back({"k" + std::to_string(i), 1});
    const auto calls = peer.count("EVALSHA");
    REQUIRE(all(many).has_value());
    CHECK(peer.count("EVALSHA") == calls + 1);
}

TEST_CASE_FIXTURE(
    Fixture, "M5: requests for one key that exceed the bucket together never fit"
) {
    const auto group = all({{"b", 1}, {"a", 6}, {"a", 5}});
    REQUIRE(group.has_value());
    CHECK(group->admission.retry_after == Admission::never);
    CHECK(group->binding == 1);
    for (const auto& bucket : group->buckets) CHECK_FALSE(bucket.admission.possible());
    const auto most = std::numeric_limits<std::uint64_t>::max();
    CHECK_FALSE(all({{"a", most}, {"a", most}, {"a", 2}})->admission.possible());
    CHECK(peer.connections == 0);
}

TEST_CASE_FIXTURE(Fixture, "M5: a refused group waits for its slowest key") {
    script = [](const Command&) {
        return std::string(
            "*10\r\n:0\r\n:0\r\n:5000000\r\n:5000000\r\n"
            ":2000000\r\n:0\r\n:10000000\r\n:1000000\r\n:0\r\n:10000000\r\n"
        );
    };
    const auto group = all({{"a", 1}, {"b", 2}, {"c", 1}});
    REQUIRE(group.has_value());
    CHECK(group->admission == Admission::refuse(seconds{2}));
    CHECK(group->binding == 1);
    for (const auto& bucket : group->buckets) {
        CHECK(bucket.admission == Admission::refuse(seconds{2}));
    }
    CHECK(group->buckets[0].remaining == 5);
}

TEST_CASE_FIXTURE(
    Fixture, "M11: what is not an answer of the script is a protocol error"
) {
    script = [](const Command&) { return std::string("+OK\r\n"); };
    CHECK(consume("a").error() == Errc::protocol_error);
    script = [](const Command&) { return admitted(2); };
    CHECK(consume("a").error() == Errc::protocol_error);
    script = [](const Command&) { return std::string("-CORRUPT key 1\r\n"); };
    CHECK(consume("a").error() == Errc::corrupt_data);
}

TEST_CASE_FIXTURE(
    Fixture, "M11: a store outlives its connection and says that it is closed"
) {
    REQUIRE(consume("a").has_value());
    connection.reset();
    CHECK(consume("a").error() == Errc::closed);
    CHECK(run(io, store.async_reset("a", net::use_awaitable)).error() == Errc::closed);
}
