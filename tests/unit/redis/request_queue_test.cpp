// SPDX-License-Identifier: MIT
#include <src/redis/request_queue.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::detail;
using std::chrono::milliseconds;

namespace {

struct Named final : Request {
    Named(std::string_view name, std::uint64_t key, int deadline_ms)
        : Request(Wire({&name, 1}), key) {
        deadline = TimePoint{} + milliseconds{deadline_ms};
    }
    void complete(Result<Reply>) override {}
};

struct Fixture {
    RequestQueue queue;

    void push(std::string_view name, std::uint64_t key, int deadline_ms) {
        queue.push(std::make_unique<Named>(name, key, deadline_ms));
    }
    std::string send(std::size_t most = 1000) {
        std::string out;
        queue.send(out, most);
        return out;
    }
    static TimePoint at(int ms) { return TimePoint{} + milliseconds{ms}; }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "what waits is sent together and answered in order") {
    push("a", 1, 10);
    push("b", 2, 10);
    CHECK(queue.has_waiting());
    CHECK_FALSE(queue.has_sent());
    CHECK(send() == "*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n");
    CHECK_FALSE(queue.has_waiting());
    push("c", 3, 11);
    CHECK(queue.answer()->cancel_key == 1);
    CHECK(queue.answer()->cancel_key == 2);
    CHECK_FALSE(queue.has_sent());
    CHECK(queue.has_waiting());
}

TEST_CASE_FIXTURE(Fixture, "one write holds no more than the limit and one request") {
    for (int i = 0; i < 10; ++i) push("x", 1, 10);
    CHECK(send(12).size() == 22);
    CHECK(queue.has_waiting());
    CHECK(send(1).size() == 11);
}

TEST_CASE_FIXTURE(Fixture, "a deadline that passes leaves a place for the late answer") {
    push("a", 1, 10);
    push("b", 2, 10);
    push("c", 3, 20);
    send();
    push("d", 4, 20);
    push("e", 5, 30);
    CHECK(queue.next_deadline() == at(10));

    auto given_up = queue.expire(at(9));
    CHECK(given_up.sent.empty());
    CHECK(given_up.waiting.empty());

    given_up = queue.expire(at(10));
    CHECK(given_up.sent.size() == 2);
    CHECK(queue.next_deadline() == at(20));
    CHECK(queue.answer() == nullptr);

    given_up = queue.expire(at(25));
    REQUIRE(given_up.sent.size() == 1);
    CHECK(given_up.sent[0]->cancel_key == 3);
    REQUIRE(given_up.waiting.size() == 1);
    CHECK(given_up.waiting[0]->cancel_key == 4);
    CHECK(queue.next_deadline() == at(30));

    CHECK(send() == "*1\r\n$1\r\ne\r\n");
    CHECK(queue.answer() == nullptr);
    CHECK(queue.answer() == nullptr);
    CHECK(queue.answer()->cancel_key == 5);
    CHECK(queue.empty());
    CHECK_FALSE(queue.next_deadline());
}

TEST_CASE_FIXTURE(Fixture, "a cancelled request that waits is never sent") {
    push("a", 1, 10);
    send();
    push("b", 2, 10);
    push("c", 1, 10);
    auto given_up = queue.cancel(1, false);
    CHECK(given_up.sent.empty());
    CHECK(given_up.waiting.size() == 1);
    CHECK(send() == "*1\r\n$1\r\nb\r\n");

    given_up = queue.cancel(1, true);
    CHECK(given_up.sent.size() == 1);
    CHECK(queue.answer() == nullptr);
    CHECK(queue.answer()->cancel_key == 2);
    CHECK(queue.cancel(1, true).sent.empty());
}

TEST_CASE_FIXTURE(
    Fixture, "a lost connection takes what was sent and leaves what waits"
) {
    push("a", 1, 10);
    push("b", 2, 10);
    send();
    push("c", 3, 10);
    queue.cancel(1, true);
    const auto sent = queue.take_sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0] == nullptr);
    CHECK(sent[1]->cancel_key == 2);
    CHECK_FALSE(queue.has_sent());
    CHECK(queue.next_deadline() == at(10));
    const auto waiting = queue.take_waiting();
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0]->cancel_key == 3);
    CHECK(queue.empty());
}

TEST_CASE_FIXTURE(
    Fixture, "expired places that a lost connection took are not counted on"
) {
    push("a", 1, 10);
    send();
    queue.expire(at(10));
    queue.take_sent();
    push("b", 2, 20);
    send();
    CHECK(queue.next_deadline() == at(20));
    CHECK(queue.expire(at(20)).sent.size() == 1);
}
