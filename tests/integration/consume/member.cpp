// SPDX-License-Identifier: MIT
// A consumer that a test kills, or that kills itself between an effect and the commit of
// its offset. Its settings come from the environment.
#include <resilience/consume_once.hpp>
#include <resilience/kafka/consumer.hpp>
#include <resilience/postgres/inbox.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace net = boost::asio;
namespace kafka = resilience::kafka;
namespace postgres = resilience::postgres;
using resilience::Result;

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    if (!value) throw std::runtime_error(std::string{name} + " is not set");
    return value;
}

kafka::ConsumerOptions consumer_options() {
    return {
        .brokers = setting("KAFKA_BROKERS"),
        .group = setting("GROUP"),
        .topics = {setting("TOPIC")},
        .session_timeout = std::chrono::seconds{30},
        // Started again, a member has its partitions at once.
        .settings = {{"group.instance.id", setting("MEMBER")}}};
}

postgres::PoolOptions pool_options() {
    postgres::PoolOptions options{.max_size = 1};
    options.connection.host = setting("DB_HOST");
    options.connection.port = static_cast<std::uint16_t>(std::stoi(setting("DB_PORT")));
    options.connection.user = setting("DB_USER");
    options.connection.password = setting("DB_PASSWORD");
    options.connection.database = setting("DB_NAME");
    options.connection.extra = {{"options", "-csearch_path=" + setting("DB_SCHEMA")}};
    return options;
}

// Ends like a crash when it is about to commit for the n-th time.
class DyingConsumer {
public:
    DyingConsumer(kafka::Consumer& consumer, int commits)
        : consumer_(consumer), commits_(commits) {}

    auto poll(std::size_t max, std::chrono::milliseconds wait) {
        return consumer_.poll(max, wait);
    }
    auto commit(std::vector<kafka::NextOffset> offsets) {
        if (--commits_ == 0) ::raise(SIGKILL);
        return consumer_.commit(std::move(offsets));
    }
    void rewind() noexcept { consumer_.rewind(); }

private:
    kafka::Consumer& consumer_;
    int commits_;
};

// The effect: a row that may stand there twice.
net::awaitable<Result<void>> write_effect(
    postgres::Transaction& transaction, const kafka::Record& record
) {
    const auto written = co_await transaction.async_execute(
        "INSERT INTO effects VALUES ($1)",
        postgres::parameters(record.value.value_or("none")),
        net::use_awaitable
    );
    if (!written) co_return written.error();
    co_return Result<void>{};
}

net::awaitable<void> consume(int commits) {
    const auto executor = co_await net::this_coro::executor;
    kafka::Consumer consumer{executor, consumer_options()};
    DyingConsumer dying{consumer, commits};
    postgres::Pool pool{executor, pool_options()};
    const resilience::Inbox inbox{{.consumer = setting("INBOX")}};
    const resilience::ConsumeOptions options{.batch = 5};
    while (true) {
        const auto batch = co_await resilience::consume_once(
            dying, pool, inbox, write_effect, resilience::HaltOnPoison{}, options
        );
        if (!batch) std::cerr << batch.error().message() << '\n';
        if (!batch && !resilience::is_retryable(batch.error().code)) co_return;
    }
}

}  // namespace

int main() try {
    net::io_context io;
    net::co_spawn(
        io,
        consume(std::stoi(setting("DIE_AT_COMMIT"))),
        [](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
        }
    );
    io.run();
    return EXIT_FAILURE;
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
}
