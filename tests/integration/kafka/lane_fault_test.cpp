// SPDX-License-Identifier: MIT
#include "integration/kafka/lane_world.hpp"
#include "integration/kafka/private_broker.hpp"

#include <resilience/kafka/transactional_producer.hpp>

#include <src/kafka/lane_configuration.hpp>
#include <src/kafka/transactional_client.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::detail::ChunkReports;
using kafka::detail::Patience;
using kafka::detail::RequestLedger;
using kafka::detail::TransactionalClient;
using kafka::detail::view_of;

// librdkafka's own imitation of a cluster, for faults at a single request.
class MockCluster {
public:
    MockCluster() {
        std::array<char, 512> reason{};
        host_ = rd_kafka_new(
            RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason.data(), reason.size()
        );
        REQUIRE(host_);
        cluster_ = rd_kafka_mock_cluster_new(host_, 1);
        REQUIRE(cluster_);
        rd_kafka_mock_topic_create(cluster_, "t", 1, 1);
    }
    ~MockCluster() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(host_);
    }
    MockCluster(const MockCluster&) = delete;
    MockCluster& operator=(const MockCluster&) = delete;

    kafka::ProducerOptions options() const {
        return {.brokers = rd_kafka_mock_cluster_bootstraps(cluster_)};
    }

    /// The next request of the kind is answered by the end of its connection.
    void cut(int api) {
        rd_kafka_mock_push_request_errors(
            cluster_, static_cast<std::int16_t>(api), 1, RD_KAFKA_RESP_ERR__TRANSPORT
        );
    }

    /// The next transaction is told that the one before it is still being ended.
    void put_off() {
        rd_kafka_mock_push_request_errors(
            cluster_,
            RequestLedger::add_partitions,
            1,
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS
        );
    }

    /// The next transaction may not write to one of its topics.
    void deny() {
        rd_kafka_mock_push_request_errors(
            cluster_,
            RequestLedger::add_partitions,
            1,
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        );
    }

    /// The next request of the kind is answered that late.
    void delay(int api, std::chrono::milliseconds time) {
        rd_kafka_mock_broker_push_request_error_rtts(
            cluster_,
            1,
            static_cast<std::int16_t>(api),
            1,
            RD_KAFKA_RESP_ERR_NO_ERROR,
            static_cast<int>(time.count())
        );
    }

private:
    rd_kafka_t* host_ = nullptr;
    rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

// One message in one transaction, up to its end.
class OneTransaction {
public:
    OneTransaction()
        : client_(
              kafka::detail::lane_producer_settings(cluster_.options(), {.outbox = "o"}),
              {},
              ledger_
          ) {
        REQUIRE(client_.init(patience_).has_value());
        REQUIRE(client_.topic("t", patience_).has_value());
        ledger_.begin();
        REQUIRE(client_.begin().has_value());
    }

    MockCluster& cluster() { return cluster_; }
    const RequestLedger& ledger() const { return ledger_; }

    void deliver() {
        const auto topic = client_.topic("t", patience_);
        REQUIRE(topic.has_value());
        const kafka::Message message{.topic = "t", .value = "x"};
        REQUIRE(
            client_.produce(**topic, view_of(message), reports_.mark(0), patience_) == 0
        );
        reports_.accept();
        REQUIRE(client_.await_reports(reports_, patience_).has_value());
        CHECK(reports_.is_complete());
    }

    Result<void> commit(std::chrono::milliseconds limit) {
        return client_.commit({Clock::now() + limit, {}});
    }

private:
    MockCluster cluster_;
    RequestLedger ledger_;
    ChunkReports reports_{1};
    Patience patience_{Clock::now() + 30s, {}};
    TransactionalClient client_;
};

// What the ledger makes of a transaction that succeeds.
bool is_balanced_after_transaction(std::optional<int> cut_api) {
    OneTransaction transaction;
    if (cut_api) transaction.cluster().cut(*cut_api);
    transaction.deliver();
    const auto done = transaction.commit(30s);
    CHECK_MESSAGE(done.has_value(), done.error().message());
    CAPTURE(transaction.ledger().text());
    CHECK(transaction.ledger().is_end_sent());
    return transaction.ledger().is_balanced();
}

}  // namespace

TEST_CASE("I8: the client's own requests and answers are counted") {
    CHECK(is_balanced_after_transaction(std::nullopt));
}

TEST_CASE("I8: a request that was repeated is noticed though the commit succeeds") {
    for (const int api :
         {RequestLedger::produce,
          RequestLedger::add_partitions,
          RequestLedger::end_transaction}) {
        CAPTURE(api);
        CHECK_FALSE(is_balanced_after_transaction(api));
    }
}

TEST_CASE("a transaction that the cluster puts off is noticed, and is no suspicion") {
    for (const bool put_off : {false, true}) {
        OneTransaction transaction;
        if (put_off) transaction.cluster().put_off();
        transaction.deliver();
        REQUIRE(transaction.commit(30s).has_value());
        CHECK(transaction.ledger().is_put_off() == put_off);
        CHECK(transaction.ledger().is_balanced());
    }
}

TEST_CASE("I8: a commit that is not answered ends with its patience, and is in doubt") {
    OneTransaction transaction;
    transaction.deliver();
    transaction.cluster().delay(RequestLedger::end_transaction, 10s);
    const auto done = transaction.commit(300ms);
    REQUIRE(done.has_error());
    CHECK(done.error() == Errc::timed_out);
    CHECK(transaction.ledger().is_end_sent());
    CHECK_FALSE(transaction.ledger().is_balanced());
}

TEST_CASE("a topic that is denied to a transaction is told, though not which it is") {
    MockCluster cluster;
    net::io_context io;
    kafka::TransactionalProducer producer{
        io.get_executor(), cluster.options(), {.transactional_id = "t"}};
    const std::vector<kafka::Message> messages{{.topic = "t", .value = "x"}};
    REQUIRE(run(io, producer.open()).has_value());
    cluster.deny();
    const auto denied = run(io, producer.commit(messages));
    REQUIRE(denied.has_error());
    CHECK_MESSAGE(denied.error() == Errc::access_denied, denied.error().message());
    CHECK_FALSE(producer.refused().has_value());
    REQUIRE(run(io, producer.open()).has_value());
    CHECK(run(io, producer.commit(messages)).has_value());
}

TEST_CASE("I2: an event whose topic is missing aborts its chunk, and the lane goes on") {
    LaneWorld world;
    world.producer.settings["allow.auto.create.topics"] = "false";
    std::atomic<int> begun = 0;
    world.producer.settings["debug"] = "eos";
    world.producer.log = [&](int, std::string_view line) {
        if (line.find("-> InTransaction") != line.npos) ++begun;
    };
    const auto topic = world.cluster().make_topic("present", 1);
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "1")}, first).has_value());

    const std::vector rows{
        row_of(topic, "2"),
        row_of(unique_name("missing"), "3"),
        row_of("not a topic", "4")};
    const auto refused = world.commit(*owner, rows, position_after(first, 3));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == Errc::bad_destination);
    CHECK(begun == 1);
    const auto refusals = owner->refusals();
    REQUIRE(refusals.size() == 2);
    CHECK(refusals[0].event == 1);
    CHECK(refusals[1].event == 2);

    CHECK(world.take_over(*owner).value() == first);
    CHECK(values_in(world.cluster().consume(topic, 1)) == std::vector<std::string>{"1"});
    REQUIRE(world.commit(*owner, {rows[0]}, position_after(first, 1)).has_value());
}

TEST_CASE("I8: a request that is repeated after a silence makes the producer suspicious"
) {
    PrivateBroker broker;
    LaneWorld world{broker.cluster()};
    const auto topic = broker.cluster().make_topic("silence", 1);
    std::atomic<bool> repeated = false;
    world.producer.request_timeout = 500ms;
    world.producer.socket_timeout = 1s;
    world.producer.log = [&](int, std::string_view line) {
        if (line.find("timed out") != line.npos) repeated = true;
    };
    world.options().transaction_timeout = 60s;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    const auto first = position_after({}, 1);
    REQUIRE(world.commit(*owner, {row_of(topic, "1")}, first).has_value());
    CHECK(owner->snapshot().suspicions == 0);

    broker.pause();
    const auto second = position_after(first, 1);
    const std::vector rows{row_of(topic, "2")};
    const auto committed =
        run(world.io(),
            [](LaneWorld& w,
               LaneSink& sink,
               PrivateBroker& paused,
               const std::vector<WindowEvent>& events,
               const LanePosition& next,
               const std::atomic<bool>& seen) -> net::awaitable<Result<void>> {
                auto resume = [](PrivateBroker& b,
                                 const std::atomic<bool>& s) -> net::awaitable<void> {
                    net::steady_timer timer{co_await net::this_coro::executor};
                    while (!s) {
                        timer.expires_after(10ms);
                        co_await timer.async_wait(net::use_awaitable);
                    }
                    b.resume();
                };
                net::co_spawn(w.io(), resume(paused, seen), net::detached);
                auto done = co_await sink.commit(events, next);
                co_return done;
            }(world, *owner, broker, rows, second, repeated));
    REQUIRE_MESSAGE(committed.has_value(), committed.error().message());
    CHECK(owner->snapshot().suspicions == 1);
    CHECK_FALSE(owner->snapshot().ready);
    const auto third = position_after(second, 1);
    CHECK(world.commit(*owner, {row_of(topic, "3")}, third).error() == Errc::aborted);
    CHECK(world.take_over(*owner).value() == second);
    REQUIRE(world.commit(*owner, {row_of(topic, "3")}, third).has_value());
    CHECK(
        values_in(broker.cluster().consume(topic, 3)) ==
        std::vector<std::string>{"1", "2", "3"}
    );
}

TEST_CASE("I2: nothing is delivered while the broker stands still, and the wait ends") {
    PrivateBroker broker;
    LaneWorld world{broker.cluster()};
    const auto topic = broker.cluster().make_topic("still", 1);
    world.producer.request_timeout = 500ms;
    world.producer.socket_timeout = 1s;
    world.options().transaction_timeout = 3s;
    world.options().take_over_timeout = 2s;
    world.options().abort_timeout = 100ms;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    broker.pause();
    const auto next = position_after({}, 1);
    const auto failed = world.commit(*owner, {row_of(topic, "1")}, next);
    REQUIRE(failed.has_error());
    CAPTURE(failed.error().message());
    CHECK(is_retryable(failed.error().code));
    CHECK_FALSE(is_in_doubt(failed.error().code));
    const auto late = world.take_over(*owner);
    REQUIRE(late.has_error());
    CHECK(late.error() == Errc::timed_out);
    broker.resume();
    world.options().take_over_timeout = 30s;
    auto other = world.owner();
    CHECK(world.take_over(*other).value() == std::nullopt);
    CHECK(world.commit(*other, {row_of(topic, "1")}, next).has_value());
}

TEST_CASE("I2: a commit whose answer does not come is in doubt, and the position tells") {
    PrivateBroker broker;
    LaneWorld world{broker.cluster()};
    const auto topic = broker.cluster().make_topic("doubt", 1);
    std::atomic<bool> stop = false;
    world.producer.request_timeout = 500ms;
    world.producer.socket_timeout = 1s;
    world.producer.settings["debug"] = "eos";
    // The client's own thread says this before it sends the end of the transaction.
    world.producer.log = [&](int, std::string_view line) {
        const bool begins = line.find("-> BeginCommit") != line.npos;
        if (begins && stop.exchange(false)) broker.pause();
    };
    world.options().transaction_timeout = 3s;
    auto owner = world.owner();
    REQUIRE(world.take_over(*owner).has_value());
    stop = true;
    const auto next = position_after({}, 1);
    const auto failed = world.commit(*owner, {row_of(topic, "1")}, next);
    broker.resume();
    REQUIRE(failed.has_error());
    CAPTURE(failed.error().message());
    CHECK(failed.error() == Errc::timed_out_in_doubt);
    CHECK(owner->snapshot().doubts == 1);

    const auto position = world.take_over(*owner);
    REQUIRE_MESSAGE(position.has_value(), position.error().message());
    if (!*position) REQUIRE(world.commit(*owner, {row_of(topic, "1")}, next).has_value());
    CHECK(values_in(broker.cluster().consume(topic, 1)) == std::vector<std::string>{"1"});
    CHECK(world.take_over(*owner).value() == next);
}

TEST_CASE("nobody listens: a take-over ends in time and may be tried again") {
    LaneWorld world{Cluster{"127.0.0.1:1"}};
    world.options().take_over_timeout = 500ms;
    auto owner = world.owner();
    const auto late = world.take_over(*owner);
    REQUIRE(late.has_error());
    CHECK(is_retryable(late.error().code));
}

TEST_CASE("a take-over is cancelled") {
    LaneWorld world{Cluster{"127.0.0.1:1"}};
    auto owner = world.owner();
    net::cancellation_signal signal;
    std::optional<Errc> ended;
    net::co_spawn(
        world.io(),
        [](LaneSink& sink, std::optional<Errc>& end) -> net::awaitable<void> {
            const auto late = co_await sink.take_over();
            end = static_cast<Errc>(late.error().code.value());
        }(*owner, ended),
        net::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {})
    );
    net::post(world.io(), [&] { signal.emit(net::cancellation_type::terminal); });
    world.io().run();
    CHECK(ended == Errc::cancelled);
}

TEST_CASE("a context that is destroyed during an operation waits for the lane's thread") {
    auto io = std::make_unique<net::io_context>();
    net::co_spawn(
        *io,
        [](net::any_io_executor executor) -> net::awaitable<void> {
            kafka::LaneProducer owner(
                executor,
                {.brokers = "127.0.0.1:1"},
                {.outbox = "o", .take_over_timeout = 300ms}
            );
            (void)co_await owner.take_over();
        }(io->get_executor()),
        [](std::exception_ptr) {}
    );
    io->poll();
    io.reset();
}
