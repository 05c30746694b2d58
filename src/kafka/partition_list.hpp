// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_PARTITION_LIST_HPP
#define RESILIENCE_SRC_KAFKA_PARTITION_LIST_HPP

#include <resilience/error.hpp>
#include <resilience/kafka/consumer.hpp>

#include "kafka/error_map.hpp"
#include "kafka/handles.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace resilience::kafka::detail {

/// The elements of librdkafka's list; none of a null one.
inline std::span<const rd_kafka_topic_partition_t> parts(
    const rd_kafka_topic_partition_list_t* list
) {
    if (!list) return {};
    return {list->elems, static_cast<std::size_t>(list->cnt)};
}

/// Offsets as librdkafka takes them.
inline PartitionListHandle list_of(const std::vector<NextOffset>& offsets) {
    PartitionListHandle list{
        rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()))};
    for (const auto& [partition, next] : offsets) {
        rd_kafka_topic_partition_list_add(
            list.get(), partition.topic.c_str(), partition.partition
        )
            ->offset = next;
    }
    return list;
}

/// What a code means for a member of a group, at a place or in general.
inline Failure failure_of(rd_kafka_resp_err_t code, const std::string& where = {}) {
    return fail(
        group_error(code), where + (where.empty() ? "" : ": ") + rd_kafka_err2str(code)
    );
}

}  // namespace resilience::kafka::detail

#endif
