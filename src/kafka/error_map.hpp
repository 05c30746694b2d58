// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_ERROR_MAP_HPP
#define RESILIENCE_SRC_KAFKA_ERROR_MAP_HPP

#include <resilience/error.hpp>

namespace resilience::kafka::detail {

/** What a code of Kafka or librdkafka means for a message. Pure.

    A fault of the message or of its topic is not retryable; whatever speaks of brokers
    or of the connection is, and so is every code that is not known here: an outage must
    not use up an event's deliveries. `cancelled`, `cancelled_in_doubt` and `closed` say
    that the message failed because of another one or of the producer's end.

    @param code A `rd_kafka_resp_err_t`, not 0.
    @param in_doubt Whether the message may have been written all the same.
*/
Errc delivery_error(int code, bool in_doubt) noexcept;

/// The same for a request that writes nothing: what can be retried is `unavailable`.
Errc request_error(int code) noexcept;

/** The same for a member of a consumer group. Pure.

    `fenced`: the member is not one any more, or another one has its name;
    `history_changed`: the records that were to come are gone.
*/
Errc group_error(int code) noexcept;

/// Whether another producer of the same transactional id took over, or the cluster gave
/// the transaction up in its place: nothing that this producer sends is taken any more.
bool is_fenced(int code) noexcept;

/// Whether it says that there is no such topic or partition.
bool is_topic_missing(int code) noexcept;

/// Whether a topic may only be about to exist: somebody creates it, or elects a leader.
bool is_topic_pending(int code) noexcept;

}  // namespace resilience::kafka::detail

#endif
