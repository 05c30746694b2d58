// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/tools.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/outbox_table.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/lane_positions.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> names;
    while (true) {
        const auto end = std::min(list.find(','), list.size());
        names.emplace_back(list.substr(0, end));
        if (end == list.size()) return names;
        list.remove_prefix(end + 1);
    }
}

}  // namespace

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

std::vector<std::string> named_topics(const Request& request) {
    return request.topics.empty() ? std::vector<std::string>{} : split(request.topics);
}

net::awaitable<Result<std::vector<std::string>>> topics_of(const Tools& tools) {
    if (!tools.request.topics.empty()) co_return named_topics(tools.request);
    OutboxTable table{tools};
    const auto opened = co_await table.open();
    if (!opened) co_return opened.error();
    auto topics = co_await table.topics();
    if (topics) co_return topics;
    auto failure = topics.error();
    failure.detail += "; or name the topics with --topics";
    co_return failure;
}

resilience::kafka::TopicReaderOptions reader_options(
    const Tools& tools, const std::vector<std::string>& topics
) {
    resilience::kafka::TopicReaderOptions options;
    std::set<std::string> all(topics.begin(), topics.end());
    for (const auto& topic : topics) {
        for (const auto suffix : {default_dead_letter_suffix, default_park_suffix}) {
            auto aside = topic + std::string{suffix};
            if (is_topic_name(aside)) all.insert(std::move(aside));
        }
    }
    options.topics.assign(all.begin(), all.end());
    options.skip_missing = true;
    options.patience = tools.request.patience;
    return options;
}

std::optional<std::string_view> header_of(
    const resilience::kafka::Record& record, std::string_view name
) {
    std::optional<std::string_view> found;
    for (const auto& [key, value] : record.headers) {
        if (key == name) found = value;
    }
    return found;
}

void declare_topics(host::Config& config, Request& request) {
    config.string(
        "--topics",
        request.topics,
        "Topics, separated by commas; default: those that the table names"
    );
    config.duration(
        "--since",
        request.since,
        std::chrono::seconds{1},
        std::chrono::milliseconds{0},
        std::chrono::years{10},
        "Look at what is younger than this alone; 0: at all"
    );
    declare_slices(config, request);
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
