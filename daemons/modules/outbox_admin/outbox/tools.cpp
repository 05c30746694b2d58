// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/outbox/tools.hpp>

#include <host/config.hpp>

#include <resilience/kafka/lane_positions.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {

Tools::Tools(net::any_io_executor e, const Request& r)
    : executor(std::move(e)),
      request(r),
      database(backing::pool_options(r.database).connection),
      kafka{.brokers = r.kafka.brokers, .delivery_timeout = r.kafka.delivery_timeout},
      lanes(relay::lane_producer_options(r.relay, r.database)) {
    if (!r.database.use_postgres) {
        throw std::invalid_argument("DB_HOST: must be set, or --postgres be given");
    }
    if (!r.kafka.use_kafka) {
        throw std::invalid_argument("KAFKA_BROKERS: must be set, or --kafka be given");
    }
    database.application_name = "outbox";
    kafka.client_id = "outbox";
    kafka.metadata_timeout = std::min(kafka.metadata_timeout, kafka.delivery_timeout);
}

net::awaitable<Result<resilience::postgres::Connection>> connect(const Tools& tools) {
    resilience::postgres::Connection connection{tools.executor, tools.database};
    const auto opened = co_await connection.async_connect(net::use_awaitable);
    if (!opened) co_return opened.error();
    co_return std::move(connection);
}

net::awaitable<Result<std::vector<FoundPosition>>> read_positions(const Tools& tools) {
    resilience::kafka::LanePositions positions{tools.executor, tools.kafka, tools.lanes};
    std::vector<FoundPosition> found;
    for (int lane = 0; lane < tools.lanes.lanes; ++lane) {
        auto position = co_await positions.last(lane);
        if (!position && is_retryable(position.error().code)) {
            co_return position.error();
        }
        found.push_back(std::move(position));
    }
    co_return found;
}

void declare_slices(host::Config& config, Request& request) {
    config.integer(
        "--rows-at-once",
        request.rows_at_once,
        1,
        1'000'000,
        "Rows of the table that one statement goes through, within DB_TIMEOUT"
    );
}

std::string name_of(const SourceIdentity& source) {
    return std::to_string(source.system_id) + '/' + std::to_string(source.timeline) +
           '/' + std::to_string(source.database) + '/' + std::to_string(source.table);
}

boost::json::object json_of(const SourceIdentity& source) {
    return {
        {"system_id", std::to_string(source.system_id)},
        {"timeline", source.timeline},
        {"database", source.database},
        {"table", source.table}};
}

}  // namespace resilience::modules::outbox_admin
