// SPDX-License-Identifier: MIT
#include "bench/relay/relay_bench.hpp"

#include <modules/migrations/schema.hpp>

#include <resilience/postgres/pool.hpp>

#include "kafka/lane_configuration.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include <unistd.h>

namespace resilience::bench {
namespace {

using modules::backing::Database;
using modules::backing::DatabaseSettings;

struct Destroy {
    void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
    void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
    void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
    void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
    void operator()(rd_kafka_DeleteTopic_t* p) const { rd_kafka_DeleteTopic_destroy(p); }
    void operator()(rd_kafka_ConfigResource_t* p) const {
        rd_kafka_ConfigResource_destroy(p);
    }
    void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw std::runtime_error(
            std::string{name} +
            " is not set; start the servers: scripts/services start, "
            "then eval \"$(scripts/services env)\""
        );
    }
    return value;
}

DatabaseSettings server_of_environment() {
    DatabaseSettings settings;
    settings.use_postgres = true;
    settings.host = variable("DB_HOST");
    const std::string port = variable("DB_PORT");
    const auto read =
        std::from_chars(port.data(), port.data() + port.size(), settings.port);
    if (read.ec != std::errc{}) throw std::runtime_error("DB_PORT is not a number");
    settings.user = variable("DB_USER");
    settings.password = variable("DB_PASSWORD");
    settings.name = variable("DB_NAME");
    return settings;
}

// Runs `sql` on a connection whose statements may take minutes.
postgres::Rows run_sql_on(const DatabaseSettings& settings, const std::string& sql) {
    net::io_context io;
    postgres::Connection connection{
        io.get_executor(),
        {.host = settings.host,
         .port = static_cast<std::uint16_t>(settings.port),
         .user = settings.user,
         .password = settings.password,
         .database = settings.name,
         .query_timeout = std::chrono::minutes{5}}};
    postgres::Rows rows;
    run(io, [&]() -> net::awaitable<void> {
        value_of(co_await connection.async_connect(net::use_awaitable));
        rows = value_of(co_await connection.async_execute(sql, {}, net::use_awaitable));
    }());
    return rows;
}

void migrate(const DatabaseSettings& settings) {
    net::io_context io;
    auto database = std::make_unique<Database>(io.get_executor(), settings);
    run(io, [&]() -> net::awaitable<void> {
        const auto schema = modules::migrations::schema_of(*database->postgres());
        value_of(co_await schema->up());
    }());
}

Owned<rd_kafka_t> admin_of(const std::string& brokers) {
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(
        conf, "bootstrap.servers", brokers.c_str(), reason.data(), reason.size()
    );
    Owned<rd_kafka_t> admin{
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size())};
    if (!admin) throw std::runtime_error(reason.data());
    return admin;
}

void make_topic(const std::string& brokers, const std::string& name, int partitions) {
    const auto admin = admin_of(brokers);
    std::array<char, 512> reason{};
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(admin.get())};
    const Owned<rd_kafka_NewTopic_t> topic{
        rd_kafka_NewTopic_new(name.c_str(), partitions, 1, reason.data(), reason.size())};
    if (!topic) throw std::runtime_error(reason.data());
    rd_kafka_NewTopic_t* topics[] = {topic.get()};
    rd_kafka_CreateTopics(admin.get(), topics, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 20'000)};
    if (!event) throw std::runtime_error("Kafka does not answer at " + brokers);
    if (rd_kafka_event_error(event.get())) {
        throw std::runtime_error(rd_kafka_event_error_string(event.get()));
    }
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count
    );
    if (count != 1 || rd_kafka_topic_result_error(results[0])) {
        throw std::runtime_error("Kafka does not make the topic " + name);
    }
}

// Those of one broker, as it tells them.
std::string broker_settings(const std::string& brokers) {
    const auto admin = admin_of(brokers);
    const rd_kafka_metadata_t* asked = nullptr;
    if (rd_kafka_metadata(admin.get(), 0, nullptr, &asked, 10'000) != 0) return " silent";
    const Owned<const rd_kafka_metadata_t> metadata{asked};
    if (metadata->broker_cnt < 1) return " none";
    const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(admin.get())};
    const Owned<rd_kafka_ConfigResource_t> broker{rd_kafka_ConfigResource_new(
        RD_KAFKA_RESOURCE_BROKER, std::to_string(metadata->brokers[0].id).c_str()
    )};
    rd_kafka_ConfigResource_t* resources[] = {broker.get()};
    rd_kafka_DescribeConfigs(admin.get(), resources, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), 10'000)};
    if (!event || rd_kafka_event_error(event.get())) return " silent";
    std::size_t count = 0;
    const auto* described = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event.get()), &count
    );
    if (count != 1) return " silent";
    const auto* entries = rd_kafka_ConfigResource_configs(described[0], &count);
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = rd_kafka_ConfigEntry_name(entries[i]);
        const char* value = rd_kafka_ConfigEntry_value(entries[i]);
        for (const char* wanted :
             {"num.io.threads",
              "num.network.threads",
              "log.flush.interval.messages",
              "min.insync.replicas",
              "transaction.state.log.replication.factor"}) {
            if (value && name == wanted) text += ' ' + name + '=' + value;
        }
    }
    return text;
}

// What a lane's producer sets, by the library's defaults.
std::string client_settings(const std::string& brokers) {
    std::string text;
    const auto settings =
        kafka::detail::lane_producer_settings({.brokers = brokers}, {.outbox = "bench"});
    for (const auto& [name, value] : settings) {
        if (name != "bootstrap.servers") text += ' ' + name + '=' + value;
    }
    return text;
}

class Stopwatch {
public:
    explicit Stopwatch(StageTime& stage) : stage_(stage) {}
    ~Stopwatch() {
        stage_.total += Clock::now() - start_;
        ++stage_.calls;
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

private:
    StageTime& stage_;
    TimePoint start_ = Clock::now();
};

}  // namespace

RelayBench::RelayBench(std::string name, int partitions)
    : server_(server_of_environment()),
      database_(server_),
      brokers_(variable("KAFKA_BROKERS")),
      name_("bench_" + std::move(name) + "_" + std::to_string(::getpid())) {
    database_.name = name_;
    run_sql_on(server_, "CREATE DATABASE " + name_);
    migrate(database_);
    renew_topic(partitions);
}

RelayBench::~RelayBench() {
    delete_topic();
    try {
        run_sql_on(server_, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    } catch (const std::exception& error) {
        std::fprintf(
            stderr, "%s: not dropped: %s\n", database_.name.c_str(), error.what()
        );
    }
}

void RelayBench::renew_topic(int partitions) {
    delete_topic();
    topic_ = name_ + "_" + std::to_string(++topics_);
    make_topic(brokers_, topic_, partitions);
}

void RelayBench::run_sql(const std::string& sql) const { run_sql_on(database_, sql); }

std::string RelayBench::ask_sql(const std::string& sql) const {
    const auto rows = run_sql_on(database_, sql);
    if (rows.size() != 1) throw std::runtime_error("not one row: " + sql);
    return std::string{rows[0].text(0)};
}

void RelayBench::print_settings() const {
    std::string database = "PostgreSQL " + ask_sql("SHOW server_version");
    for (const char* name :
         {"fsync",
          "synchronous_commit",
          "shared_buffers",
          "wal_level",
          "max_wal_size",
          "checkpoint_timeout"}) {
        database += std::string{", "} + name + '=' + ask_sql(std::string{"SHOW "} + name);
    }
    std::printf("%s\n", database.c_str());
    std::printf(
        "librdkafka %s:%s\nbroker:%s\n\n",
        rd_kafka_version_str(),
        client_settings(brokers_).c_str(),
        broker_settings(brokers_).c_str()
    );
    std::fflush(stdout);
}

void RelayBench::delete_topic() noexcept {
    if (topic_.empty()) return;
    try {
        const auto admin = admin_of(brokers_);
        const Owned<rd_kafka_queue_t> queue{rd_kafka_queue_new(admin.get())};
        const Owned<rd_kafka_DeleteTopic_t> topic{
            rd_kafka_DeleteTopic_new(topic_.c_str())};
        rd_kafka_DeleteTopic_t* topics[] = {topic.get()};
        rd_kafka_DeleteTopics(admin.get(), topics, 1, nullptr, queue.get());
        const Owned<rd_kafka_event_t> answered{rd_kafka_queue_poll(queue.get(), 10'000)};
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: not deleted: %s\n", topic_.c_str(), error.what());
    }
    topic_.clear();
}

std::string numbered_content(std::size_t number) {
    std::string text = R"({"n": )" + std::to_string(number) + R"(, "text": ")";
    // Nothing that compression would make little of.
    std::minstd_rand random{static_cast<std::uint32_t>(number) + 1};
    while (text.size() < 298) text += "0123456789abcdef"[random() % 16];
    return text + R"("})";
}

Event numbered_event(const std::string& topic, std::size_t number) {
    const std::string user = "user-" + std::to_string(number);
    return {
        .aggregate_type = "user",
        .aggregate_id = user,
        .event_type = "user.updated",
        .event_data = numbered_content(number),
        .topic = topic};
}

std::size_t number_of(std::string_view content) {
    std::size_t number = 0;
    const auto begin = std::min(content.find(": "), content.size() - 2) + 2;
    std::from_chars(content.data() + begin, content.data() + content.size(), number);
    return number;
}

net::awaitable<Result<std::vector<ClaimedEvent>>> TimedSource::claim(std::size_t limit) {
    const Stopwatch watch{claims};
    co_return co_await inner_.claim(limit);
}

net::awaitable<Result<void>> TimedSource::settle(std::vector<Settlement> settlements) {
    const Stopwatch watch{settles};
    co_return co_await inner_.settle(std::move(settlements));
}

net::awaitable<Result<std::int64_t>> TimedSource::reset_stale(
    std::chrono::milliseconds age
) {
    const Stopwatch watch{others};
    co_return co_await inner_.reset_stale(age);
}

net::awaitable<Result<ClaimSource::Depth>> TimedSource::depth() {
    const Stopwatch watch{others};
    co_return co_await inner_.depth();
}

net::awaitable<Result<ClaimSource::Probe>> TimedSource::probe() {
    const Stopwatch watch{others};
    co_return co_await inner_.probe();
}

void TimedSource::leave_out(std::vector<std::int64_t> rows) {
    inner_.leave_out(std::move(rows));
}

net::awaitable<Result<void>> TimedSource::give_up(std::int64_t row, std::string error) {
    const Stopwatch watch{others};
    co_return co_await inner_.give_up(row, std::move(error));
}

net::awaitable<std::vector<Result<void>>> TimedSink::deliver(
    std::span<const ClaimedEvent> events
) {
    const Stopwatch watch{deliveries};
    auto results = co_await inner_.deliver(events);
    if (!seen_) co_return results;
    const auto now = Clock::now();
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (results[i]) seen_(events[i], now);
    }
    co_return results;
}

void run(net::io_context& io, net::awaitable<void> work) {
    bool ended = false;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr error) {
        ended = true;
        if (error) std::rethrow_exception(error);
    });
    io.restart();
    while (!ended && io.run_one() > 0) {
    }
}

}  // namespace resilience::bench
