// SPDX-License-Identifier: MIT
#include <src/kafka/request_ledger.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>

namespace {

using namespace std::chrono_literals;
using resilience::TimePoint;
using resilience::kafka::EpochGuard;
using resilience::kafka::detail::must_replace;
using resilience::kafka::detail::RequestLedger;

constexpr std::array counted{
    RequestLedger::produce,
    RequestLedger::add_partitions,
    RequestLedger::end_transaction};

constexpr TimePoint start{1h};

void exchange(RequestLedger& ledger, int api, TimePoint now = start) {
    ledger.sent(api, now);
    ledger.ended(api, true, now);
}

// A transaction without any trouble.
void run_transaction(RequestLedger& ledger) {
    ledger.begin();
    exchange(ledger, RequestLedger::add_partitions);
    exchange(ledger, RequestLedger::produce);
    exchange(ledger, RequestLedger::produce);
    exchange(ledger, RequestLedger::end_transaction);
}

}  // namespace

TEST_CASE("I8: a transaction of which each request was answered is balanced") {
    RequestLedger ledger;
    run_transaction(ledger);
    CHECK(ledger.is_balanced());
    CHECK(ledger.is_end_sent());
    CHECK_FALSE(must_replace(EpochGuard::on_suspicion, ledger));
    CHECK(must_replace(EpochGuard::every_transaction, ledger));
    CHECK_FALSE(must_replace(EpochGuard::off, ledger));
}

TEST_CASE("I8: a copy of a request that was not answered is suspicious") {
    for (const int api : counted) {
        CAPTURE(api);
        RequestLedger ledger;
        run_transaction(ledger);
        ledger.sent(api, start);
        CHECK_FALSE(ledger.is_balanced());
        CHECK(must_replace(EpochGuard::on_suspicion, ledger));
        CHECK(must_replace(EpochGuard::every_transaction, ledger));
        CHECK_FALSE(must_replace(EpochGuard::off, ledger));
    }
}

TEST_CASE("I8: the end of a connection or of patience is not an answer") {
    for (const int api : counted) {
        CAPTURE(api);
        RequestLedger ledger;
        run_transaction(ledger);
        ledger.sent(api, start);
        ledger.ended(api, false, start);
        CHECK_FALSE(ledger.is_balanced());
    }
}

TEST_CASE("I8: a request that was never written harms nobody when it is given up") {
    RequestLedger ledger;
    ledger.begin();
    ledger.ended(RequestLedger::produce, false, start);
    exchange(ledger, RequestLedger::end_transaction);
    CHECK(ledger.is_balanced());
}

TEST_CASE("I8: an end that was sent twice is suspicious though both were answered") {
    RequestLedger ledger;
    run_transaction(ledger);
    exchange(ledger, RequestLedger::end_transaction);
    CHECK_FALSE(ledger.is_balanced());
}

TEST_CASE("I8: a ledger that nobody writes to is not balanced") {
    RequestLedger ledger;
    ledger.begin();
    CHECK_FALSE(ledger.is_balanced());
    CHECK(must_replace(EpochGuard::on_suspicion, ledger));
}

TEST_CASE("I8: an answer of one kind does not stand for another's") {
    RequestLedger ledger;
    run_transaction(ledger);
    ledger.sent(RequestLedger::produce, start);
    ledger.ended(RequestLedger::add_partitions, true, start);
    CHECK_FALSE(ledger.is_balanced());
}

TEST_CASE("I8: requests that cannot decide a transaction do not count") {
    RequestLedger ledger;
    run_transaction(ledger);
    for (const int api : {-1, 1, 3, 10, 18, 22, 25, 27}) ledger.sent(api, start);
    CHECK(ledger.is_balanced());
}

TEST_CASE("I8: each transaction is counted by itself") {
    RequestLedger ledger;
    run_transaction(ledger);
    run_transaction(ledger);
    CHECK(ledger.is_balanced());
    ledger.begin();
    CHECK_FALSE(ledger.is_end_sent());
}

TEST_CASE("I8: the ledger tells its counts") {
    RequestLedger ledger;
    run_transaction(ledger);
    ledger.sent(RequestLedger::end_transaction, start);
    CHECK(
        ledger.text() ==
        "Produce sent 2 answered 2, AddPartitionsToTxn sent 1 answered 1, "
        "EndTxn sent 2 answered 1"
    );
}

TEST_CASE("a transaction that has to ask again before it sends anything was put off") {
    RequestLedger ledger;
    run_transaction(ledger);
    CHECK_FALSE(ledger.is_put_off());
    ledger.begin();
    exchange(ledger, RequestLedger::add_partitions);
    exchange(ledger, RequestLedger::add_partitions, start + 20ms);
    CHECK(ledger.is_put_off());
    exchange(ledger, RequestLedger::produce, start + 21ms);
    exchange(ledger, RequestLedger::end_transaction, start + 22ms);
    CHECK(ledger.is_put_off());
    CHECK(ledger.is_balanced());
    run_transaction(ledger);
    CHECK_FALSE(ledger.is_put_off());
}

TEST_CASE("a transaction that asks for further partitions was not put off") {
    RequestLedger ledger;
    ledger.begin();
    exchange(ledger, RequestLedger::add_partitions);
    exchange(ledger, RequestLedger::add_partitions, start + 2ms);
    CHECK_FALSE(ledger.is_put_off());
    // Late, as a long chunk came to another partition late.
    exchange(ledger, RequestLedger::produce, start + 3ms);
    exchange(ledger, RequestLedger::add_partitions, start + 40ms);
    CHECK_FALSE(ledger.is_put_off());
}

TEST_CASE("a request whose connection was lost does not put a transaction off") {
    RequestLedger ledger;
    ledger.begin();
    ledger.sent(RequestLedger::add_partitions, start);
    ledger.ended(RequestLedger::add_partitions, false, start);
    ledger.sent(RequestLedger::add_partitions, start + 100ms);
    CHECK_FALSE(ledger.is_put_off());
}
