// SPDX-License-Identifier: MIT
#include "kafka/topic_catalog.hpp"

#include "kafka/error_map.hpp"

#include <algorithm>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds question{1000};

}  // namespace

Result<std::int32_t> partition_count(
    rd_kafka_t& client, const std::string& topic, const Patience& patience, int tries
) {
    const TopicHandle handle{rd_kafka_topic_new(&client, topic.c_str(), nullptr)};
    if (!handle) {
        const auto error = rd_kafka_last_error();
        return fail(request_error(error), topic + ": " + rd_kafka_err2str(error));
    }
    auto error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int missing = 0;
    while (!patience.is_over()) {
        const rd_kafka_metadata_t* answer = nullptr;
        error = rd_kafka_metadata(
            &client, 0, handle.get(), &answer, patience.slice(question)
        );
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            const MetadataHandle metadata{answer};
            error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
            if (metadata->topic_cnt > 0) {
                const auto& found = metadata->topics[0];
                error = found.err;
                if (!error && found.partition_cnt > 0) return found.partition_cnt;
                if (!error) error = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
            }
        }
        const bool again =
            is_topic_missing(error)
                ? ++missing < tries
                : is_topic_pending(error) || is_retryable(request_error(error));
        if (!again) {
            return fail(request_error(error), topic + ": " + rd_kafka_err2str(error));
        }
        patience.pause(question_pause);
    }
    return patience.failure("the topic " + topic + ": " + rd_kafka_err2str(error));
}

Result<std::vector<std::int64_t>> offsets_since(
    rd_kafka_t& client,
    const std::vector<TopicPartition>& partitions,
    WallClock::time_point time,
    const Patience& patience
) {
    const auto since = std::chrono::ceil<milliseconds>(time.time_since_epoch()).count();
    const PartitionListHandle list{
        rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size()))};
    for (const auto& [topic, partition] : partitions) {
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    }
    auto error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (!patience.is_over()) {
        for (int i = 0; i < list->cnt; ++i) {
            list->elems[i].offset = std::max<std::int64_t>(since, 0);
        }
        error = rd_kafka_offsets_for_times(
            &client, list.get(), patience.slice(milliseconds{5000})
        );
        for (int i = 0; !error && i < list->cnt; ++i) error = list->elems[i].err;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
        if (!is_retryable(request_error(error)) && !is_topic_pending(error)) {
            return fail(request_error(error), rd_kafka_err2str(error));
        }
        patience.pause(question_pause);
    }
    if (error) {
        return patience.failure(
            std::string{"the offsets of a time: "} + rd_kafka_err2str(error)
        );
    }
    std::vector<std::int64_t> offsets;
    for (const auto& [topic, partition] : partitions) {
        const auto* found =
            rd_kafka_topic_partition_list_find(list.get(), topic.c_str(), partition);
        offsets.push_back(found && found->offset >= 0 ? found->offset : -1);
    }
    return offsets;
}

}  // namespace resilience::kafka::detail
