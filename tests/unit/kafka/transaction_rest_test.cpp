// SPDX-License-Identifier: MIT
#include <src/kafka/transaction_rest.hpp>

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using resilience::kafka::detail::TransactionRest;

namespace {

// Transactions one right after the other, at a cluster that takes `time` to end each.
void run(TransactionRest& rest, std::chrono::nanoseconds time, int count) {
    for (int i = 0; i < count; ++i) rest.note(rest.value(), rest.value() < time);
}

}  // namespace

TEST_CASE("a producer that is never put off does not rest") {
    TransactionRest rest{5ms};
    run(rest, 0ms, 100);
    CHECK(rest.value() == 0ms);
}

TEST_CASE("a rest becomes about as long as the cluster takes, and follows it") {
    TransactionRest rest{5ms};
    for (const auto time : {3ms, 1ms, 4ms}) {
        run(rest, time, 200);
        CHECK(rest.value() >= time - 25us);
        CHECK(rest.value() < time + 500us);
    }
}

TEST_CASE("one transaction in some twenty tries whether a shorter rest is enough") {
    TransactionRest rest{5ms};
    run(rest, 3ms, 50);
    int put_off = 0;
    for (int i = 0; i < 2100; ++i) {
        const bool off = rest.value() < 3ms;
        put_off += off ? 1 : 0;
        rest.note(rest.value(), off);
    }
    CHECK(put_off >= 95);
    CHECK(put_off <= 105);
}

TEST_CASE("a rest is never longer than the longest") {
    TransactionRest rest{5ms};
    run(rest, 1h, 100);
    CHECK(rest.value() == 5ms);
    TransactionRest odd{4100us};
    run(odd, 1h, 100);
    CHECK(odd.value() == 4100us);
    TransactionRest none{0ms};
    run(none, 1h, 100);
    CHECK(none.value() == 0ms);
}

TEST_CASE("a transaction that began long after the last says nothing of the rest") {
    TransactionRest rest{5ms};
    run(rest, 3ms, 50);
    const auto learned = rest.value();
    rest.note(learned + 2ms + 1ns, false);
    rest.note(5ms, true);
    CHECK(rest.value() == learned);
}

TEST_CASE("a transaction that was put off though it began late makes the rest longer") {
    TransactionRest rest{5ms};
    for (int i = 0; i < 100; ++i) rest.note(rest.value() + 3ms, rest.value() < 1ms);
    CHECK(rest.value() == 1ms);
}

TEST_CASE("a transaction that did not rest says nothing of the rest when it is put off") {
    TransactionRest rest{5ms};
    run(rest, 3ms, 50);
    const auto learned = rest.value();
    rest.note(0ms, true);
    CHECK(rest.value() == learned);
}
