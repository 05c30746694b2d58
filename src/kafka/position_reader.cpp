// SPDX-License-Identifier: MIT
#include "kafka/position_reader.hpp"

#include "kafka/error_map.hpp"
#include "kafka/lane_configuration.hpp"
#include "kafka/lane_message.hpp"
#include "kafka/position_topic.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds question{1000};
constexpr milliseconds retry_pause{20};

// Offsets at the end of the partition that are read first. Each transaction of the lane
// takes two, so its position is nearly always among them.
constexpr std::int64_t tail = 2000;

// Reads one partition for as long as it lives.
class Consumption {
public:
    Consumption(rd_kafka_topic_t& topic, std::int32_t partition, std::int64_t from)
        : topic_(topic),
          partition_(partition),
          error_(
              rd_kafka_consume_start(&topic, partition, from) == 0
                  ? RD_KAFKA_RESP_ERR_NO_ERROR
                  : rd_kafka_last_error()
          ) {}
    ~Consumption() {
        if (error_ == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_consume_stop(&topic_, partition_);
        }
    }
    Consumption(const Consumption&) = delete;
    Consumption& operator=(const Consumption&) = delete;

    rd_kafka_resp_err_t error() const { return error_; }
    MessageHandle next(int timeout) {
        return MessageHandle{rd_kafka_consume(&topic_, partition_, timeout)};
    }

private:
    rd_kafka_topic_t& topic_;
    std::int32_t partition_;
    rd_kafka_resp_err_t error_;
};

}  // namespace

PositionReader::PositionReader(
    const ProducerOptions& producer, const LaneProducerOptions& options
)
    : options_(options),
      key_(position_key(options)),
      log_(producer.log),
      uncommitted_(open_client(
          RD_KAFKA_CONSUMER,
          position_reader_settings(producer, Isolation::read_uncommitted),
          log_
      )),
      committed_(open_client(
          RD_KAFKA_CONSUMER,
          position_reader_settings(producer, Isolation::read_committed),
          log_
      )) {}

Result<void> PositionReader::prepare(const Patience& patience) {
    return prepare_position_topic(*uncommitted_, options_, patience);
}

Result<std::optional<LanePosition>> PositionReader::last(const Patience& patience) {
    const auto found = offsets(patience);
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

Result<PositionReader::Offsets> PositionReader::offsets(const Patience& patience) {
    auto error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (!patience.is_over()) {
        Offsets found;
        error = rd_kafka_query_watermark_offsets(
            uncommitted_.get(),
            options_.position_topic.c_str(),
            options_.lane,
            &found.low,
            &found.high,
            patience.slice(question)
        );
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return found;
        const auto meaning = request_error(error);
        // A topic that was just created is not known everywhere.
        if (!is_retryable(meaning) && !is_topic_pending(error)) {
            return fail(meaning, rd_kafka_err2str(error));
        }
        patience.pause(retry_pause);
    }
    return patience.failure(
        "the end of the position topic: " + std::string{rd_kafka_err2str(error)}
    );
}

Result<std::optional<PositionReader::Record>> PositionReader::find_last(
    std::int64_t from, std::int64_t end, const Patience& patience
) {
    std::optional<Record> last;
    if (from >= end) return last;
    const TopicHandle topic{
        rd_kafka_topic_new(committed_.get(), options_.position_topic.c_str(), nullptr)};
    if (!topic) return fail(request_error(rd_kafka_last_error()));
    Consumption reading{*topic, options_.lane, from};
    if (reading.error() != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(request_error(reading.error()), rd_kafka_err2str(reading.error()));
    }
    std::int64_t reached = from;
    while (!patience.is_over()) {
        const auto message = reading.next(patience.slice(milliseconds{100}));
        // Silence says nothing: a transaction may be open, a broker slow.
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            reached = std::max(reached, message->offset);
        } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return fail(
                request_error(message->err),
                std::string{"the position topic: "} +
                    rd_kafka_message_errstr(message.get())
            );
        } else {
            reached = message->offset + 1;
            const std::string_view key{
                static_cast<const char*>(message->key), message->key_len};
            if (message->offset < end && key == key_) {
                last.emplace(Record{message->offset, std::nullopt});
                if (message->payload) {
                    last->value.emplace(
                        static_cast<const char*>(message->payload), message->len
                    );
                }
            }
        }
        if (reached >= end) return last;
    }
    return patience.failure(
        "the position topic was read to offset " + std::to_string(reached) + " of " +
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
