// SPDX-License-Identifier: MIT
#include "kafka/position_reader.hpp"

#include "kafka/compacted_topic.hpp"
#include "kafka/lane_configuration.hpp"
#include "kafka/lane_message.hpp"
#include "kafka/stretch_reader.hpp"
#include "kafka/topic_catalog.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// Offsets at the end of the partition that are read first. Each transaction of the lane
// takes two, so its position is nearly always among them.
constexpr std::int64_t tail = 2000;

}  // namespace

PositionReader::PositionReader(
    const ProducerOptions& producer, const LaneProducerOptions& options
)
    : options_(options),
      key_(position_key(options)),
      partition_{options.position_topic, options.lane},
      log_(producer.log),
      uncommitted_(open_client(
          RD_KAFKA_CONSUMER, reader_settings(producer, Isolation::read_uncommitted), log_
      )),
      committed_(open_client(
          RD_KAFKA_CONSUMER, reader_settings(producer, Isolation::read_committed), log_
      )) {}

Result<void> PositionReader::prepare(const Patience& patience) {
    const CompactedTopic topic{
        .record = "position",
        .name = options_.position_topic,
        .partitions = options_.lanes,
        .partition = options_.lane,
        .replication_factor = options_.replication_factor,
        .may_create = options_.create_position_topic};
    return prepare_compacted_topic(*uncommitted_, topic, patience);
}

Result<bool> PositionReader::exists(const Patience& patience) {
    const auto count = partition_count(*uncommitted_, partition_.topic, patience);
    if (!count && count.error() == Errc::bad_destination) return false;
    if (!count) return count.error();
    if (*count > partition_.partition) return true;
    return fail(
        Errc::bad_destination,
        "the position topic " + partition_.topic + " has " + std::to_string(*count) +
            " partitions, and none for lane " + std::to_string(partition_.partition)
    );
}

Result<std::optional<LanePosition>> PositionReader::last(const Patience& patience) {
    const auto found = watermarks(*uncommitted_, partition_, patience);
    if (!found) return found.error();
    const std::int64_t from = std::max(found->low, found->high - tail);
    auto record = find_last(from, found->high, patience);
    if (record && !*record) record = find_last(found->low, from, patience);
    if (!record) return record.error();
    if (!*record) return std::optional<LanePosition>{};
    auto position = decode(**record);
    if (!position) return position.error();
    return std::optional<LanePosition>{std::move(*position)};
}

Result<std::optional<PositionReader::Record>> PositionReader::find_last(
    std::int64_t from, std::int64_t end, const Patience& patience
) {
    std::optional<Record> last;
    if (from >= end) return last;
    StretchReader reading{*committed_};
    const auto begun = reading.add({partition_, from, end});
    if (!begun) return begun.error();
    while (!patience.is_over()) {
        const auto look = reading.look(patience.slice(milliseconds{100}));
        if (!look) return look.error();
        if (const auto* message = look->record.get()) {
            const std::string_view key{
                static_cast<const char*>(message->key), message->key_len};
            if (key == key_) {
                last.emplace(Record{message->offset, std::nullopt});
                if (message->payload) {
                    last->value.emplace(
                        static_cast<const char*>(message->payload), message->len
                    );
                }
            }
        }
        if (reading.open() == 0) return last;
    }
    return patience.failure(
        "the position topic was read to offset " +
        std::to_string(reading.stretches().front().reached) + " of " +
        std::to_string(end) + ": a transaction of somebody else may be open there"
    );
}

Result<LanePosition> PositionReader::decode(const Record& record) const {
    const std::string where =
        "the last position of " + key_ + ", offset " + std::to_string(record.offset) +
        " of " + options_.position_topic + '[' + std::to_string(options_.lane) + ']';
    if (!record.value) {
        return fail(
            Errc::corrupt_data,
            where + ", was deleted: what was delivered cannot be known"
        );
    }
    auto position = decode_lane_position(*record.value);
    if (position) return position;
    return fail(Errc::corrupt_data, where + ": " + position.error().detail);
}

}  // namespace resilience::kafka::detail
