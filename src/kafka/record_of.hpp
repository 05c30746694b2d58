// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_RECORD_OF_HPP
#define RESILIENCE_SRC_KAFKA_RECORD_OF_HPP

#include <resilience/kafka/record.hpp>

#include <librdkafka/rdkafka.h>

#include <cstddef>

namespace resilience::kafka::detail {

/// A copy of what librdkafka received. REQUIRES: it is a record and no error.
Record record_of(const rd_kafka_message_t& message);

/// Bytes of its key, value and headers.
std::size_t size_of(const Record& record);

}  // namespace resilience::kafka::detail

#endif
