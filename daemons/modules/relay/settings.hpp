// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_SETTINGS_HPP
#define RESILIENCE_MODULES_RELAY_SETTINGS_HPP

#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/lane_relay_options.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::host {
class Config;
}

namespace resilience::modules::backing {
struct DatabaseSettings;
struct KafkaSettings;
}  // namespace resilience::modules::backing

namespace resilience::modules::relay {

/// As LaneRelayOptions::topic_poison.
using TopicPolicies = decltype(LaneRelayOptions::topic_poison);

/// What is added to the name of the topic of positions to make that of the marks, which
/// the command `outbox` writes.
inline constexpr std::string_view mark_topic_suffix = ".marks";

/// Settings of the relay program (M15).
struct RelaySettings {
    /// `claim` or `exactly_once`. Empty: which of them @ref settle_mode finds.
    std::string mode;
    std::chrono::milliseconds poll_interval{5000};

    /// Of `claim`.
    std::int64_t batch_size = 100;
    std::chrono::milliseconds stale_after{60'000};

    /// Of `exactly_once`. 1 to 64.
    std::int64_t lanes = 4;
    /// Which assignment of keys to lanes it is.
    std::int64_t map_version = 0;
    /// 1 to 50,000. With four lanes at work on events of some hundred bytes the program
    /// then stays below 64 MiB.
    std::int64_t chunk_size = 2500;
    /// `halt_lane`, `dlq` or `park_key`.
    std::string poison = "halt_lane";
    /// Topics with a policy of their own: `topic=policy`, separated by commas.
    std::string poison_topics;
    /// Where lanes begin, see @ref LaneBeginnings: `untouched`, `after_claims`,
    /// `everything` or `refuse`.
    std::string first = "untouched";
    /// Empty: the name of the database.
    std::string outbox;
    /// 16 s to 15 min.
    std::chrono::milliseconds transaction_timeout{20'000};
    /// At most 243 characters. Empty: made from the outbox's name.
    std::string position_topic;
    /// 0: as many as the cluster gives.
    std::int64_t position_replicas = 0;
    /// Whether delivered rows become SENT, and dead letters FAILED.
    bool report = true;
    /// See @ref kept_for.
    std::string retention;

    bool is_exactly_once() const { return mode == "exactly_once"; }

    /// Age at which delivered rows are removed; none: they stay.
    std::optional<std::chrono::milliseconds> kept_for() const;
};

/// Declares `RELAY_*`, but for `RELAY_MAX_RETRIES`, which @ref backing::EventSettings
/// has.
void declare(host::Config& config, RelaySettings& settings);

/// Declares of these what tells which lanes there are and where their positions lie.
void declare_lanes(host::Config& config, RelaySettings& settings);

/// Declares of these what becomes of events that their topics never take.
void declare_poison(host::Config& config, RelaySettings& settings);

/// Reads one of the names of a policy; none when it is no such name.
std::optional<PoisonPolicy> read_poison(std::string_view name);

/// Reads RelaySettings::poison_topics; none when it is not of its form, or names a topic
/// twice.
std::optional<TopicPolicies> read_poison_topics(std::string_view text);

/// What the outbox is called in Kafka.
/// @throws std::invalid_argument Names the setting: Kafka does not take the name.
std::string outbox_name(
    const RelaySettings& settings, const backing::DatabaseSettings& database
);

/// The producers of the lanes, but for their numbers.
/// @throws std::invalid_argument As @ref outbox_name.
resilience::kafka::LaneProducerOptions lane_producer_options(
    const RelaySettings& settings, const backing::DatabaseSettings& database
);

/// Sets the mode where none was chosen: `exactly_once` from PostgreSQL to Kafka, else
/// `claim`.
/// @throws std::invalid_argument The mode needs a server that is not set; the sentence
///     names the setting.
void settle_mode(
    RelaySettings& settings,
    const backing::DatabaseSettings& database,
    const backing::KafkaSettings& kafka
);

}  // namespace resilience::modules::relay

#endif
