// SPDX-License-Identifier: MIT
// A relay of the same pieces as the program `relay`, for tests alone: it can end at each
// step of a delivery, and its guards can be taken out.
//
//   CHAOS_FAILPOINT, and its _NTH and _SIGNAL   see failpoint.hpp
//   CHAOS_GATE=off                         does not wait for the source's disk (I6)
//   CHAOS_EPOCH_GUARD=off                  keeps its producer whatever happens (I8)
//   CHAOS_TRANSACTION_TIMEOUT              of Kafka's transactions, in milliseconds
#include <chaos/exactly_once/lane_parts.hpp>

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/lane_group.hpp>
#include <resilience/postgres/lane_locks.hpp>
#include <resilience/postgres/outbox_window_source.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

using namespace resilience;

namespace {

std::string variable(const char* name, const std::string& otherwise = {}) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

bool is_off(const char* name) { return variable(name) == "off"; }

postgres::ConnectionOptions connection(std::string purpose) {
    postgres::ConnectionOptions options;
    options.host = variable("DB_HOST");
    options.port = static_cast<std::uint16_t>(std::stoi(variable("DB_PORT")));
    options.user = variable("DB_USER");
    options.password = variable("DB_PASSWORD");
    options.database = variable("DB_NAME");
    options.application_name = std::move(purpose);
    return options;
}

kafka::ProducerOptions producer(std::chrono::milliseconds transaction_timeout) {
    kafka::ProducerOptions options{.brokers = variable("KAFKA_BROKERS")};
    if (transaction_timeout <= options.socket_timeout) {
        options.socket_timeout = transaction_timeout / 2;
        options.request_timeout = options.socket_timeout;
    }
    return options;
}

LaneParts make_parts(net::any_io_executor executor, int lane, int lanes) {
    kafka::LaneProducerOptions options;
    options.outbox = variable("RELAY_OUTBOX", variable("DB_NAME"));
    options.lane = lane;
    options.lanes = lanes;
    if (is_off("CHAOS_EPOCH_GUARD")) options.epoch_guard = kafka::EpochGuard::off;
    options.transaction_timeout = std::chrono::milliseconds{
        std::stoi(variable("CHAOS_TRANSACTION_TIMEOUT", "20000"))};
    options.abort_timeout = std::min(options.abort_timeout, options.transaction_timeout);
    const auto committed = std::make_shared<bool>(false);
    LaneParts parts;
    parts.source = std::make_unique<e2e::FailpointSource>(
        std::make_unique<postgres::OutboxWindowSource>(
            executor,
            postgres::OutboxWindowSourceOptions{.connection = connection("relay lane")}
        ),
        committed,
        is_off("CHAOS_GATE")
    );
    auto settings = producer(options.transaction_timeout);
    parts.sink = std::make_unique<e2e::FailpointSink>(
        std::make_unique<kafka::LaneProducer>(executor, settings, std::move(options)),
        committed
    );
    parts.observer.changed = [lane, told = LaneState::stopped](const auto& now) mutable {
        if (std::exchange(told, now.state) == now.state || now.reason.empty()) return;
        std::cerr << "lane " << lane << ' ' << static_cast<int>(now.state) << ": "
                  << now.reason << std::endl;
    };
    return parts;
}

}  // namespace

int main() {
    net::io_context io{1};
    LaneGroupOptions options;
    options.lanes = std::stoi(variable("RELAY_LANES", "4"));
    if (variable("RELAY_POISON") == "dlq") options.relay.poison = PoisonPolicy::dlq;
    postgres::LaneLocks locks{
        io.get_executor(),
        {.connection = connection("relay lanes"), .lanes = options.lanes}};
    LaneGroup group{
        io.get_executor(),
        locks,
        [&](int lane) { return make_parts(io.get_executor(), lane, options.lanes); },
        options};
    net::signal_set signals{io, SIGTERM, SIGINT};
    signals.async_wait([&](auto error, int) {
        if (!error) group.stop();
    });
    net::co_spawn(io, group.run(), [&](std::exception_ptr) { signals.cancel(); });
    io.run();
}
