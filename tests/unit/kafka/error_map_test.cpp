// SPDX-License-Identifier: MIT
#include <src/kafka/error_map.hpp>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

namespace {

using resilience::Errc;
using resilience::is_in_doubt;
using resilience::is_retryable;
using resilience::kafka::detail::delivery_error;
using resilience::kafka::detail::is_fenced;
using resilience::kafka::detail::is_topic_pending;
using resilience::kafka::detail::request_error;

}  // namespace

TEST_CASE("O8: a fault of the message is not retryable") {
    CHECK(delivery_error(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, false) == Errc::too_large);
    CHECK(
        delivery_error(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, false) == Errc::too_large
    );
    for (const int code :
         {RD_KAFKA_RESP_ERR_INVALID_RECORD,
          RD_KAFKA_RESP_ERR_INVALID_MSG,
          RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
          RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP}) {
        CHECK(delivery_error(code, false) == Errc::invalid_request);
    }
}

TEST_CASE("O8: a fault of the topic is not retryable") {
    for (const int code :
         {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
          RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
          RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
          RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
          RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION}) {
        CHECK(delivery_error(code, false) == Errc::bad_destination);
    }
    CHECK(
        delivery_error(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false) ==
        Errc::access_denied
    );
}

TEST_CASE("O8: whatever speaks of brokers is retryable, known or not, and keeps the doubt"
) {
    for (const int code :
         {static_cast<int>(RD_KAFKA_RESP_ERR__TRANSPORT),
          static_cast<int>(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN),
          static_cast<int>(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT),
          static_cast<int>(RD_KAFKA_RESP_ERR__AUTHENTICATION),
          static_cast<int>(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED),
          static_cast<int>(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS),
          static_cast<int>(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
          static_cast<int>(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
          static_cast<int>(RD_KAFKA_RESP_ERR_UNKNOWN),
          9999,
          -9999}) {
        CAPTURE(code);
        CHECK(is_retryable(make_error_code(delivery_error(code, false))));
        CHECK_FALSE(is_in_doubt(make_error_code(delivery_error(code, false))));
        CHECK(is_retryable(make_error_code(delivery_error(code, true))));
        CHECK(is_in_doubt(make_error_code(delivery_error(code, true))));
    }
    CHECK(delivery_error(RD_KAFKA_RESP_ERR__QUEUE_FULL, false) == Errc::queue_full);
}

TEST_CASE("O8: what failed because of another message says so") {
    CHECK(delivery_error(RD_KAFKA_RESP_ERR__PURGE_QUEUE, false) == Errc::cancelled);
    CHECK(
        delivery_error(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, true) ==
        Errc::cancelled_in_doubt
    );
    CHECK(
        delivery_error(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, false) ==
        Errc::cancelled
    );
    CHECK(delivery_error(RD_KAFKA_RESP_ERR__FATAL, false) == Errc::closed);
    CHECK(delivery_error(RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, false) == Errc::closed);
}

TEST_CASE("a request that writes nothing leaves no doubt") {
    CHECK(request_error(RD_KAFKA_RESP_ERR__TRANSPORT) == Errc::unavailable);
    CHECK(request_error(RD_KAFKA_RESP_ERR__TIMED_OUT) == Errc::unavailable);
    CHECK(
        request_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) == Errc::bad_destination
    );
}

TEST_CASE("a topic that is unknown or has no leader may exist a moment later") {
    CHECK(is_topic_pending(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
    CHECK(is_topic_pending(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE));
    CHECK_FALSE(is_topic_pending(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
    CHECK_FALSE(is_topic_pending(RD_KAFKA_RESP_ERR__TRANSPORT));
    CHECK_FALSE(is_topic_pending(RD_KAFKA_RESP_ERR_NO_ERROR));
}

TEST_CASE("I7: whoever is fenced is told apart from whoever lost a connection") {
    CHECK(is_fenced(RD_KAFKA_RESP_ERR__FENCED));
    CHECK(is_fenced(RD_KAFKA_RESP_ERR_PRODUCER_FENCED));
    CHECK(is_fenced(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH));
    CHECK_FALSE(is_fenced(RD_KAFKA_RESP_ERR_NO_ERROR));
    CHECK_FALSE(is_fenced(RD_KAFKA_RESP_ERR__TRANSPORT));
    CHECK_FALSE(is_fenced(RD_KAFKA_RESP_ERR__STATE));
}

TEST_CASE("a transactional id that is not allowed is not retryable") {
    CHECK(
        request_error(RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED) ==
        Errc::access_denied
    );
    CHECK(
        request_error(RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT) ==
        Errc::invalid_request
    );
}

TEST_CASE("A member of a group learns that it is none any more, and what is gone") {
    using resilience::kafka::detail::group_error;
    for (const auto code :
         {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
          RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
          RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
          RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST}) {
        CHECK(group_error(code) == Errc::fenced);
    }
    CHECK(group_error(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) == Errc::history_changed);
    CHECK(group_error(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) == Errc::history_changed);
    CHECK(
        group_error(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) == Errc::access_denied
    );
    CHECK(
        group_error(RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL) ==
        Errc::invalid_request
    );
    // A later attempt may fare better.
    for (const auto code :
         {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
          RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
          RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
          RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
          RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
          RD_KAFKA_RESP_ERR__TRANSPORT}) {
        CHECK(group_error(code) == Errc::unavailable);
    }
    CHECK(group_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) == Errc::bad_destination);
}
