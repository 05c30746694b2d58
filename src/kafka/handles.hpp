// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_HANDLES_HPP
#define RESILIENCE_SRC_KAFKA_HANDLES_HPP

#include <librdkafka/rdkafka.h>

#include <memory>

// What librdkafka hands out, each destroyed by its own function.
namespace resilience::kafka::detail {

struct Destroy {
    void operator()(rd_kafka_conf_t* p) const noexcept { rd_kafka_conf_destroy(p); }
    void operator()(rd_kafka_t* p) const noexcept { rd_kafka_destroy(p); }
    void operator()(rd_kafka_topic_t* p) const noexcept { rd_kafka_topic_destroy(p); }
    void operator()(rd_kafka_queue_t* p) const noexcept { rd_kafka_queue_destroy(p); }
    void operator()(rd_kafka_headers_t* p) const noexcept { rd_kafka_headers_destroy(p); }
    void operator()(rd_kafka_error_t* p) const noexcept { rd_kafka_error_destroy(p); }
    void operator()(rd_kafka_event_t* p) const noexcept { rd_kafka_event_destroy(p); }
    void operator()(rd_kafka_message_t* p) const noexcept { rd_kafka_message_destroy(p); }
    void operator()(rd_kafka_topic_partition_list_t* p) const noexcept {
        rd_kafka_topic_partition_list_destroy(p);
    }
    void operator()(rd_kafka_NewTopic_t* p) const noexcept {
        rd_kafka_NewTopic_destroy(p);
    }
    void operator()(rd_kafka_ConfigResource_t* p) const noexcept {
        rd_kafka_ConfigResource_destroy(p);
    }
    void operator()(rd_kafka_AdminOptions_t* p) const noexcept {
        rd_kafka_AdminOptions_destroy(p);
    }
    void operator()(const rd_kafka_metadata_t* p) const noexcept {
        rd_kafka_metadata_destroy(p);
    }
};

/// Ends a group's member without waiting for the group: it is to leave before.
struct DestroyMember {
    void operator()(rd_kafka_t* p) const noexcept {
        rd_kafka_destroy_flags(p, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
};

using ConfigHandle = std::unique_ptr<rd_kafka_conf_t, Destroy>;
using ClientHandle = std::unique_ptr<rd_kafka_t, Destroy>;
using ConsumerHandle = std::unique_ptr<rd_kafka_t, DestroyMember>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Destroy>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Destroy>;
using HeadersHandle = std::unique_ptr<rd_kafka_headers_t, Destroy>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, Destroy>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, Destroy>;
using MessageHandle = std::unique_ptr<rd_kafka_message_t, Destroy>;
using PartitionListHandle = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy>;
using NewTopicHandle = std::unique_ptr<rd_kafka_NewTopic_t, Destroy>;
using ResourceHandle = std::unique_ptr<rd_kafka_ConfigResource_t, Destroy>;
using AdminOptionsHandle = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy>;
using MetadataHandle = std::unique_ptr<const rd_kafka_metadata_t, Destroy>;

}  // namespace resilience::kafka::detail

#endif
