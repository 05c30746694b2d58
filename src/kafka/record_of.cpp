// SPDX-License-Identifier: MIT
#include "kafka/record_of.hpp"

#include <chrono>
#include <cstddef>

namespace resilience::kafka::detail {
namespace {

std::optional<std::string> bytes(const void* data, std::size_t size) {
    if (!data) return std::nullopt;
    return std::string{static_cast<const char*>(data), size};
}

std::optional<WallClock::time_point> time_of(const rd_kafka_message_t& message) {
    auto type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const auto since_1970 = rd_kafka_message_timestamp(&message, &type);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) return std::nullopt;
    return WallClock::time_point{std::chrono::milliseconds{since_1970}};
}

std::vector<Header> headers_of(const rd_kafka_message_t& message) {
    std::vector<Header> headers;
    rd_kafka_headers_t* found = nullptr;
    // They are taken out of the message's bytes here, and stay the message's.
    if (rd_kafka_message_headers(&message, &found) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return headers;
    }
    headers.reserve(rd_kafka_header_cnt(found));
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(found, i, &name, &value, &size) ==
                            RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
        headers.emplace_back(name, bytes(value, size).value_or(std::string{}));
    }
    return headers;
}

}  // namespace

Record record_of(const rd_kafka_message_t& message) {
    return {
        .topic = rd_kafka_topic_name(message.rkt),
        .partition = message.partition,
        .offset = message.offset,
        .timestamp = time_of(message),
        .key = bytes(message.key, message.key_len),
        .value = bytes(message.payload, message.len),
        .headers = headers_of(message)};
}

std::size_t size_of(const Record& record) {
    std::size_t size = record.key ? record.key->size() : 0;
    if (record.value) size += record.value->size();
    for (const auto& [name, value] : record.headers) size += name.size() + value.size();
    return size;
}

}  // namespace resilience::kafka::detail
