// SPDX-License-Identifier: MIT
#include "kafka/lane_configuration.hpp"

#include <resilience/event.hpp>

#include <algorithm>
#include <stdexcept>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void require(bool holds, const char* complaint) {
    if (!holds) throw std::invalid_argument(complaint);
}

std::string number(milliseconds value) { return std::to_string(value.count()); }

}  // namespace

LaneProducerOptions checked_lane_options(
    const ProducerOptions& producer, LaneProducerOptions o
) {
    require(
        is_topic_name(o.outbox) && o.outbox.size() <= 180,
        "outbox: must be 1 to 180 of A-Z a-z 0-9 . _ -"
    );
    require(o.lanes >= 1 && o.lanes <= 64, "lanes: must be 1 to 64");
    require(o.lane >= 0 && o.lane < o.lanes, "lane: must be 0 to lanes - 1");
    if (o.position_topic.empty()) {
        o.position_topic = "resilience." + o.outbox + ".position";
    }
    require(
        is_topic_name(o.position_topic),
        "position_topic: must be 1 to 249 of A-Z a-z 0-9 . _ -"
    );
    require(
        o.replication_factor == -1 ||
            (o.replication_factor >= 1 && o.replication_factor <= 100),
        "replication_factor: must be -1 or 1 to 100"
    );
    require(!o.source.empty(), "source: must not be empty");
    require(
        o.transaction_timeout > producer.socket_timeout &&
            o.transaction_timeout <= minutes{15},
        "transaction_timeout: must be longer than socket_timeout, at most 15 min"
    );
    require(
        producer.linger < o.transaction_timeout / 2,
        "transaction_timeout: must be more than twice linger"
    );
    require(
        o.take_over_timeout >= milliseconds{100} && o.take_over_timeout <= seconds{50},
        "take_over_timeout: must be 100 ms to 50 s"
    );
    require(
        o.abort_timeout >= milliseconds{1} && o.abort_timeout <= o.transaction_timeout,
        "abort_timeout: must be 1 ms to transaction_timeout"
    );
    require(
        o.longest_rest >= milliseconds{0} && o.longest_rest <= milliseconds{20},
        "longest_rest: must be 0 to 20 ms"
    );
    require(o.epoch_guard <= EpochGuard::off, "epoch_guard: must be one of its names");
    return o;
}

Settings transactional_settings(
    const ProducerOptions& producer, const std::string& id, milliseconds timeout
) {
    Settings settings = producer_settings(producer);
    const milliseconds message_timeout =
        std::min(producer.delivery_timeout, timeout * 9 / 10);
    const Settings transactional{
        {"transactional.id", id},
        {"transaction.timeout.ms", number(timeout)},
        // What fails is aborted whole: a gap is never seen.
        {"enable.gapless.guarantee", "false"},
        {"message.timeout.ms", number(message_timeout)}};
    settings.insert(settings.end(), transactional.begin(), transactional.end());
    return settings;
}

Settings lane_producer_settings(
    const ProducerOptions& producer, const LaneProducerOptions& o
) {
    return transactional_settings(
        producer,
        "resilience." + o.outbox + '.' + std::to_string(o.lane),
        o.transaction_timeout
    );
}

Settings reader_settings(const ProducerOptions& producer, Isolation isolation) {
    Settings settings = connection_settings(producer);
    settings.insert(settings.end(), producer.settings.begin(), producer.settings.end());
    const bool committed = isolation == Isolation::read_committed;
    const Settings reading{
        {"isolation.level", committed ? "read_committed" : "read_uncommitted"},
        {"enable.partition.eof", "true"},
        {"enable.auto.commit", "false"},
        // Whoever reads makes nothing; a position topic would not be compacted.
        {"allow.auto.create.topics", "false"},
        // Records that compaction took are no reason to begin elsewhere.
        {"auto.offset.reset", "error"},
        // The end of a partition is told with an empty answer, for which nobody may wait
        // long.
        {"fetch.wait.max.ms", "10"},
        {"fetch.error.backoff.ms", "50"}};
    settings.insert(settings.end(), reading.begin(), reading.end());
    return settings;
}

Settings compacted_topic_settings() {
    return {
        {"cleanup.policy", "compact"},
        // A lane writes its key with each transaction: small segments end up compacted
        // soon, so that little is read in a take-over.
        {"segment.bytes", "16777216"},
        // How long the ends of transactions are kept; longer than a take-over reads.
        {"delete.retention.ms", "60000"}};
}

}  // namespace resilience::kafka::detail
