// SPDX-License-Identifier: MIT
#include "kafka/consumer_configuration.hpp"

#include <resilience/event.hpp>

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t mebibyte = std::size_t{1024} * 1024;
constexpr std::size_t gibibyte = 1024 * mebibyte;

void require(bool holds, const char* complaint) {
    if (!holds) throw std::invalid_argument(complaint);
}

std::string number(milliseconds value) { return std::to_string(value.count()); }

// Names under which librdkafka would accept what an option or a promise of the consumer
// decides; those of every client are refused with the producer's.
constexpr std::string_view owned[] = {
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.max.bytes",
    "fetch.queue.backoff.ms",
    "group.id",
    "group.protocol",
    "isolation.level",
    "max.poll.interval.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
};

// What reaching the cluster takes, with the checks of a producer.
ProducerOptions connection_of(const ConsumerOptions& o) {
    ProducerOptions connection{
        .brokers = o.brokers,
        .client_id = o.client_id,
        .socket_timeout = o.socket_timeout,
        .security = o.security,
        .settings = o.settings};
    connection.request_timeout = std::min(connection.request_timeout, o.socket_timeout);
    return connection;
}

void check(const ConsumerOptions& o) {
    require(
        !o.group.empty() && o.group.size() <= 255, "group: must be 1 to 255 bytes long"
    );
    require(
        !o.topics.empty() && o.topics.size() <= 1000, "topics: must be 1 to 1,000 names"
    );
    require(
        std::ranges::all_of(o.topics, [](const auto& t) { return is_topic_name(t); }),
        "topics: each must be 1 to 249 of A-Z a-z 0-9 . _ -"
    );
    require(
        std::set(o.topics.begin(), o.topics.end()).size() == o.topics.size(),
        "topics: must not name one twice"
    );
    require(o.reset <= OffsetReset::fail, "reset: must be one of its names");
    require(
        o.batch_bytes >= 1 && o.batch_bytes <= gibibyte, "batch_bytes: must be 1 to 1 GiB"
    );
    require(
        o.prefetch_messages >= 1 && o.prefetch_messages <= 10'000'000,
        "prefetch_messages: must be 1 to 10,000,000"
    );
    require(
        o.prefetch_bytes >= mebibyte && o.prefetch_bytes <= gibibyte,
        "prefetch_bytes: must be 1 MiB to 1 GiB"
    );
    require(
        o.session_timeout >= seconds{6} && o.session_timeout <= minutes{30},
        "session_timeout: must be 6 s to 30 min"
    );
    require(
        o.max_poll_interval >= o.session_timeout &&
            o.max_poll_interval <= std::chrono::hours{24},
        "max_poll_interval: must be at least session_timeout, at most 24 h"
    );
    require(
        o.commit_timeout >= milliseconds{100} && o.commit_timeout <= o.max_poll_interval,
        "commit_timeout: must be 100 ms to max_poll_interval"
    );
    require(
        o.close_timeout >= milliseconds{1} && o.close_timeout <= minutes{5},
        "close_timeout: must be 1 ms to 5 min"
    );
}

const char* name_of(OffsetReset reset) {
    switch (reset) {
        case OffsetReset::earliest:
            return "earliest";
        case OffsetReset::latest:
            return "latest";
        case OffsetReset::fail:
            break;
    }
    return "error";
}

bool is_known(const char* name, const char* value) {
    struct Destroy {
        void operator()(rd_kafka_conf_t* p) const noexcept { rd_kafka_conf_destroy(p); }
    };
    const std::unique_ptr<rd_kafka_conf_t, Destroy> conf{rd_kafka_conf_new()};
    return rd_kafka_conf_set(conf.get(), name, value, nullptr, 0) == RD_KAFKA_CONF_OK;
}

}  // namespace

Settings consumer_settings(const ConsumerOptions& o) {
    check(o);
    const auto connection = connection_of(o);
    (void)producer_settings(connection);
    for (const auto& [name, value] : o.settings) {
        if (std::ranges::find(owned, name) != std::end(owned)) {
            throw std::invalid_argument("settings: " + name + " is set by the library");
        }
    }
    Settings settings = connection_settings(connection);
    const Settings consumption{
        {"group.id", o.group},
        {"session.timeout.ms", number(o.session_timeout)},
        {"max.poll.interval.ms", number(o.max_poll_interval)},
        {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "false"},
        {"allow.auto.create.topics", "false"},
        {"auto.offset.reset", name_of(o.reset)},
        {"queued.min.messages", std::to_string(o.prefetch_messages)},
        {"queued.max.messages.kbytes", std::to_string(o.prefetch_bytes / 1024)},
        {"fetch.max.bytes", std::to_string(o.prefetch_bytes)}};
    settings.insert(settings.end(), consumption.begin(), consumption.end());
    // Newer ones wait for a second when enough is fetched, however soon that is used up.
    constexpr const char* backoff = "fetch.queue.backoff.ms";
    if (is_known(backoff, "10")) settings.emplace_back(backoff, "10");
    settings.insert(settings.end(), o.settings.begin(), o.settings.end());
    return settings;
}

}  // namespace resilience::kafka::detail
