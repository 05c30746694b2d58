// SPDX-License-Identifier: MIT
#include <modules/relay/settings.hpp>

#include <host/config.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/backing/named_values.hpp>

#include <resilience/event.hpp>

#include <stdexcept>
#include <string_view>

namespace resilience::modules::relay {
namespace {

// `transactional.id` is made from it.
constexpr std::size_t longest_outbox_name = 180;
constexpr std::size_t longest_position_topic = 249 - mark_topic_suffix.size();

std::optional<std::chrono::milliseconds> read_age(std::string_view text) {
    const auto time = host::parse_duration(text, std::chrono::seconds{1});
    return time && *time <= std::chrono::years{100} ? time : std::nullopt;
}

}  // namespace

void declare_lanes(host::Config& config, RelaySettings& settings) {
    config.integer(
        "RELAY_LANES",
        settings.lanes,
        1,
        64,
        "exactly_once: lanes of the outbox, as many as its writers have"
    );
    config.integer(
        "RELAY_MAP_VERSION",
        settings.map_version,
        0,
        1'000'000,
        "exactly_once: how often the number of lanes was changed, as outbox lanes tells; "
        "a relay with another number does not run"
    );
    config.topic(
        "RELAY_OUTBOX",
        settings.outbox,
        "exactly_once: name of the outbox in Kafka, no other's in the cluster; "
        "default: DB_NAME"
    );
    config.duration(
        "RELAY_TRANSACTION_TIMEOUT",
        settings.transaction_timeout,
        std::chrono::seconds{1},
        std::chrono::seconds{16},
        std::chrono::minutes{15},
        "exactly_once: after this time Kafka ends a transaction whose relay is gone, or "
        "cannot reach it"
    );
    config.string(
        "RELAY_POSITION_TOPIC",
        settings.position_topic,
        "exactly_once: topic of the positions, shared with no other outbox; default: "
        "resilience.<outbox>.position",
        [](std::string_view text) -> std::string {
            // It is followed by mark_topic_suffix in the name of another one.
            const bool is_name =
                is_topic_name(text) && text.size() <= longest_position_topic;
            return is_name ? "" : "1 to 243 of A-Z a-z 0-9 . _ -";
        }
    );
    config.integer(
        "RELAY_POSITION_REPLICAS",
        settings.position_replicas,
        0,
        100,
        "exactly_once: replicas of a topic of positions that is created; 0: as many as "
        "Kafka is set to give"
    );
}

void declare_poison(host::Config& config, RelaySettings& settings) {
    config.choice(
        "RELAY_POISON",
        settings.poison,
        {"halt_lane", "dlq", "park_key"},
        "exactly_once: what an event does that its topic never takes: it halts the lane, "
        "goes to <topic>.dlq alone, or to <topic>.parked with all later ones of its key"
    );
    config.string(
        "RELAY_POISON_TOPICS",
        settings.poison_topics,
        "exactly_once: topics for which it is another, as orders=park_key,mail=dlq",
        [](std::string_view text) -> std::string {
            return read_poison_topics(text) ? "" : "topic=policy, separated by commas";
        }
    );
}

void declare(host::Config& config, RelaySettings& settings) {
    using std::chrono::milliseconds;
    config.choice(
        "RELAY_MODE",
        settings.mode,
        {"claim", "exactly_once"},
        "How events are moved; default: exactly_once from PostgreSQL to Kafka, else claim"
    );
    config.duration(
        "RELAY_POLL_INTERVAL",
        settings.poll_interval,
        std::chrono::seconds{1},
        milliseconds{1},
        std::chrono::hours{1},
        "Longest wait between two looks at an idle outbox; 20ms at most for exactly_once"
    );
    config.integer(
        "RELAY_BATCH_SIZE",
        settings.batch_size,
        1,
        10'000,
        "claim: events claimed at once"
    );
    config.duration(
        "RELAY_STALE_AFTER",
        settings.stale_after,
        std::chrono::seconds{1},
        std::chrono::seconds{1},
        std::chrono::hours{24},
        "claim: after this time an event claimed by a relay that is gone is claimed again"
    );
    declare_lanes(config, settings);
    config.integer(
        "RELAY_CHUNK_SIZE",
        settings.chunk_size,
        1,
        50'000,
        "exactly_once: most events in one transaction"
    );
    declare_poison(config, settings);
    config.choice(
        "RELAY_FIRST",
        settings.first,
        {"untouched", "after_claims", "everything", "refuse"},
        "exactly_once: with which events a lane begins that has no position: with all, "
        "if all are NEW; after those that relays with claim have finished; with all, "
        "whatever they show; or with none, but halts"
    );
    config.boolean(
        "RELAY_REPORT",
        settings.report,
        "exactly_once: whether delivered events become SENT in the outbox, and dead "
        "letters FAILED"
    );
    config.string(
        "RELAY_RETENTION",
        settings.retention,
        "exactly_once: age at which delivered events are deleted; 0: as soon as they are "
        "delivered; default: they stay",
        [](std::string_view text) -> std::string {
            return read_age(text) ? "" : "a duration up to 100 years";
        }
    );
}

std::optional<std::chrono::milliseconds> RelaySettings::kept_for() const {
    return read_age(retention);
}

std::optional<PoisonPolicy> read_poison(std::string_view name) {
    if (name == "halt_lane") return PoisonPolicy::halt_lane;
    if (name == "dlq") return PoisonPolicy::dlq;
    if (name == "park_key") return PoisonPolicy::park_key;
    return std::nullopt;
}

std::optional<TopicPolicies> read_poison_topics(std::string_view text) {
    TopicPolicies policies;
    for (const auto& [topic, name] : backing::read_named_values(text)) {
        const auto policy = read_poison(name.value_or(""));
        if (!policy || !is_topic_name(topic)) return std::nullopt;
        if (!policies.emplace(topic, *policy).second) return std::nullopt;
    }
    return policies;
}

std::string outbox_name(
    const RelaySettings& settings, const backing::DatabaseSettings& database
) {
    const auto& name = settings.outbox.empty() ? database.name : settings.outbox;
    if (!is_topic_name(name) || name.size() > longest_outbox_name) {
        throw std::invalid_argument(
            "RELAY_OUTBOX: '" + name +
            "' is not 1 to 180 of letters, digits, '.', '_' and '-', as Kafka takes them"
        );
    }
    return name;
}

resilience::kafka::LaneProducerOptions lane_producer_options(
    const RelaySettings& settings, const backing::DatabaseSettings& database
) {
    resilience::kafka::LaneProducerOptions options;
    options.outbox = outbox_name(settings, database);
    options.lanes = static_cast<int>(settings.lanes);
    options.transaction_timeout = settings.transaction_timeout;
    options.position_topic = settings.position_topic;
    if (settings.position_replicas > 0) {
        options.replication_factor = static_cast<int>(settings.position_replicas);
    }
    return options;
}

void settle_mode(
    RelaySettings& settings,
    const backing::DatabaseSettings& database,
    const backing::KafkaSettings& kafka
) {
    if (settings.mode.empty()) {
        const bool can = database.use_postgres && kafka.use_kafka;
        settings.mode = can ? "exactly_once" : "claim";
    }
    if (!settings.is_exactly_once()) return;
    if (!database.use_postgres) {
        throw std::invalid_argument(
            "RELAY_MODE: exactly_once needs PostgreSQL: set DB_HOST, or give --postgres"
        );
    }
    if (!kafka.use_kafka) {
        throw std::invalid_argument(
            "RELAY_MODE: exactly_once needs Kafka: set KAFKA_BROKERS, or give --kafka"
        );
    }
}

}  // namespace resilience::modules::relay
