// SPDX-License-Identifier: MIT
// Shows: orders are read from Kafka and booked in PostgreSQL, each once, although one was
//        sent twice and the first consumer ends as if killed: its offsets never arrive.
// Run:   eval "$(scripts/services env)"; example_consume_orders
// Prints what each consumer did, and what was booked. Its tables live in the session
// alone; in a real database `migrate up` makes the inbox.
#include <resilience/consume_once.hpp>
#include <resilience/kafka/consumer.hpp>
#include <resilience/kafka/producer.hpp>
#include <resilience/postgres/inbox.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

namespace net = boost::asio;
namespace kafka = resilience::kafka;
namespace postgres = resilience::postgres;
using resilience::Result;

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

//[book
// Runs in the transaction that takes the event: both are committed, or neither is.
net::awaitable<Result<void>> book(
    postgres::Transaction& transaction, const kafka::Record& order
) {
    const auto done = co_await transaction.async_execute(
        "INSERT INTO bookings VALUES ($1)", postgres::parameters(*order.value)
    );
    if (!done) co_return done.error();
    co_return Result<void>{};
}
//]

//[consume
// Takes records until so many are done. `Consumer` is a kafka::Consumer, or like one.
template <class Consumer>
net::awaitable<void> consume(Consumer& consumer, postgres::Pool& pool, std::size_t most) {
    const resilience::Inbox inbox{{.consumer = "stock"}};
    std::size_t booked = 0;
    std::size_t repeated = 0;
    while (booked + repeated < most) {
        const auto batch = co_await resilience::consume_once(consumer, pool, inbox, book);
        if (batch) {
            booked += batch->handled;
            repeated += batch->repeated;
        } else if (!resilience::is_retryable(batch.error().code)) {
            throw std::runtime_error(batch.error().message());
        }
    }
    std::printf("%zu booked, %zu seen before\n", booked, repeated);
}
//]

struct DyingConsumer : kafka::Consumer {
    using kafka::Consumer::Consumer;
    net::awaitable<Result<void>> commit(std::vector<kafka::NextOffset>) {
        co_return Result<void>{};
    }
};

net::awaitable<postgres::Rows> execute(postgres::Pool& pool, const char* sql) {
    auto connection = (co_await pool.async_acquire()).value();
    co_return (co_await connection->async_execute(sql)).value();
}

net::awaitable<void> run(std::string brokers, std::string topic) {
    const auto executor = co_await net::this_coro::executor;
    postgres::PoolOptions database{.max_size = 1};
    database.connection.conninfo =
        "host=" + setting("DB_HOST") + " port=" + setting("DB_PORT") +
        " user=" + setting("DB_USER") + " password=" + setting("DB_PASSWORD") +
        " dbname=" + setting("DB_NAME");
    postgres::Pool pool{executor, database};
    co_await execute(pool, "CREATE TEMP TABLE bookings (name text)");
    co_await execute(
        pool,
        "CREATE TEMP TABLE inbox_events (consumer text, "
        "event_id text, PRIMARY KEY (consumer, event_id))"
    );

    kafka::Producer producer{executor, {.brokers = brokers}};
    for (const char* id : {"1", "2", "2", "3"}) {
        kafka::Message order{.topic = topic, .value = id, .headers = {{"ce_id", id}}};
        (co_await producer.async_produce(std::move(order))).value();
    }
    const kafka::ConsumerOptions options{
        .brokers = brokers, .group = topic, .topics = {topic}};
    DyingConsumer first{executor, options};
    co_await consume(first, pool, 4);
    (co_await first.close()).value();
    kafka::Consumer second{executor, options};
    co_await consume(second, pool, 4);

    const auto rows = co_await execute(pool, "SELECT name FROM bookings ORDER BY 1");
    for (const auto row : rows) std::printf("%s\n", std::string{row.text(0)}.c_str());
}

}  // namespace

int main() {
    net::io_context io;
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    const auto name = "orders-" + std::to_string(now);
    net::co_spawn(io, run(setting("KAFKA_BROKERS"), name), [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    });
    io.run();
}
