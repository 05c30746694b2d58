// SPDX-License-Identifier: MIT
#include "kafka/stretch_reader.hpp"

#include "kafka/error_map.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds question{1000};
constexpr milliseconds retry_pause{20};

std::string name_of(const TopicPartition& where) {
    return where.topic + '[' + std::to_string(where.partition) + ']';
}

Failure failure_of(rd_kafka_resp_err_t error, const TopicPartition& where) {
    return fail(request_error(error), name_of(where) + ": " + rd_kafka_err2str(error));
}

}  // namespace

Result<Watermarks> watermarks(
    rd_kafka_t& client, const TopicPartition& where, const Patience& patience
) {
    auto error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (!patience.is_over()) {
        Watermarks found;
        error = rd_kafka_query_watermark_offsets(
            &client,
            where.topic.c_str(),
            where.partition,
            &found.low,
            &found.high,
            patience.slice(question)
        );
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return found;
        // A topic that was just created is not known everywhere.
        if (!is_retryable(request_error(error)) && !is_topic_pending(error)) {
            return failure_of(error, where);
        }
        patience.pause(retry_pause);
    }
    return patience.failure(
        "the end of " + name_of(where) + ": " + rd_kafka_err2str(error)
    );
}

StretchReader::StretchReader(rd_kafka_t& client)
    : client_(client), queue_(rd_kafka_queue_new(&client)) {}

StretchReader::~StretchReader() {
    for (const auto& stretch : stretches_) {
        if (stretch.is_done()) continue;
        rd_kafka_consume_stop(
            topics_.at(stretch.where.topic).get(), stretch.where.partition
        );
    }
}

Result<void> StretchReader::add(Stretch stretch) {
    // What there may be no memory for comes first: what the client has begun with would
    // be ended by nobody.
    if (stretches_.size() == stretches_.capacity()) {
        stretches_.reserve(2 * stretches_.size() + 1);
    }
    places_.insert_or_assign(stretch.where, stretches_.size());
    if (!stretch.is_done()) {
        auto& topic = topics_[stretch.where.topic];
        if (!topic) {
            topic.reset(rd_kafka_topic_new(&client_, stretch.where.topic.c_str(), nullptr)
            );
        }
        if (!topic) return failure_of(rd_kafka_last_error(), stretch.where);
        const int refused = rd_kafka_consume_start_queue(
            topic.get(), stretch.where.partition, stretch.reached, queue_.get()
        );
        if (refused != 0) return failure_of(rd_kafka_last_error(), stretch.where);
        ++open_;
    }
    stretches_.push_back(std::move(stretch));
    return {};
}

Stretch* StretchReader::stretch_of(const rd_kafka_message_t& message) {
    if (!message.rkt) return nullptr;
    const char* topic = rd_kafka_topic_name(message.rkt);
    if (last_ < stretches_.size() &&
        stretches_[last_].where.partition == message.partition &&
        stretches_[last_].where.topic == topic) {
        return &stretches_[last_];
    }
    const auto found = places_.find({topic, message.partition});
    if (found == places_.end()) return nullptr;
    last_ = found->second;
    return &stretches_[last_];
}

bool StretchReader::move(Stretch& stretch, std::int64_t to) {
    if (stretch.is_done() || to <= stretch.reached) return false;
    stretch.reached = std::min(to, stretch.end);
    if (stretch.is_done()) {
        --open_;
        rd_kafka_consume_stop(
            topics_.at(stretch.where.topic).get(), stretch.where.partition
        );
    }
    return true;
}

Result<StretchReader::Look> StretchReader::look(int timeout) {
    Look look;
    look.record.reset(rd_kafka_consume_queue(queue_.get(), timeout));
    // Silence says nothing: a transaction may be open, a broker slow.
    if (!look.record) return look;
    Stretch* const stretch = stretch_of(*look.record);
    const auto error = look.record->err;
    if (!stretch || stretch->is_done()) {
        look.record.reset();
    } else if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        look.moved = move(*stretch, look.record->offset);
        look.record.reset();
    } else if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        return fail(
            Errc::bad_destination,
            name_of(stretch->where) + ": records from offset " +
                std::to_string(stretch->reached) +
                " on were removed before they were read"
        );
    } else if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        const auto meaning = request_error(error);
        // The client tries again by itself.
        if (is_retryable(meaning)) return Look{};
        return fail(
            meaning,
            name_of(stretch->where) + ": " + rd_kafka_message_errstr(look.record.get())
        );
    } else {
        const auto offset = look.record->offset;
        const bool inside = offset >= stretch->reached && offset < stretch->end;
        look.moved = move(*stretch, offset + 1);
        if (!inside) look.record.reset();
    }
    return look;
}

}  // namespace resilience::kafka::detail
