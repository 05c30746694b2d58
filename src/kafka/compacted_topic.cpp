// SPDX-License-Identifier: MIT
#include "kafka/compacted_topic.hpp"

#include "kafka/error_map.hpp"
#include "kafka/lane_configuration.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// One question to the cluster, and the pause before it is asked again.
constexpr milliseconds question{1000};
constexpr milliseconds retry_pause{20};

Failure failure_of(rd_kafka_resp_err_t error, std::string detail) {
    return fail(request_error(error), std::move(detail));
}

class Preparation {
public:
    Preparation(
        rd_kafka_t& client, const CompactedTopic& wanted, const Patience& patience
    )
        : client_(client),
          wanted_(wanted),
          patience_(patience),
          name_("the " + wanted.record + " topic " + wanted.name),
          topic_(rd_kafka_topic_new(&client, wanted.name.c_str(), nullptr)) {}

    Result<void> prepare() {
        std::string last = "no broker answered";
        bool created = false;
        while (!patience_.is_over()) {
            const auto error = look();
            if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return check();
            if (is_topic_missing(error) && !created) {
                const auto made = create();
                if (!made) return made;
                created = true;
            } else if (!is_topic_pending(error) && !is_retryable(request_error(error))) {
                return failure_of(error, name_ + ": " + rd_kafka_err2str(error));
            }
            last = rd_kafka_err2str(error);
            patience_.pause(retry_pause);
        }
        return patience_.failure(name_ + ": " + last);
    }

private:
    rd_kafka_resp_err_t look() {
        if (!topic_) return rd_kafka_last_error();
        const rd_kafka_metadata_t* answer = nullptr;
        const auto error = rd_kafka_metadata(
            &client_, 0, topic_.get(), &answer, patience_.slice(question)
        );
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
        const MetadataHandle metadata{answer};
        if (metadata->topic_cnt < 1) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        const auto& found = metadata->topics[0];
        if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return found.err;
        partitions_ = found.partition_cnt;
        for (int i = 0; i < found.partition_cnt; ++i) {
            const auto& partition = found.partitions[i];
            if (partition.id == wanted_.partition && partition.leader < 0) {
                return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
            }
        }
        return partitions_ > 0 ? RD_KAFKA_RESP_ERR_NO_ERROR
                               : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    }

    Result<void> create() {
        if (!wanted_.may_create) {
            return fail(
                Errc::bad_destination,
                name_ + " does not exist: create it with cleanup.policy=compact and " +
                    std::to_string(wanted_.partitions) + " partitions"
            );
        }
        std::array<char, 512> reason{};
        const NewTopicHandle topic{rd_kafka_NewTopic_new(
            wanted_.name.c_str(),
            wanted_.partitions,
            wanted_.replication_factor,
            reason.data(),
            reason.size()
        )};
        if (!topic) return fail(Errc::bad_destination, reason.data());
        for (const auto& [key, value] : compacted_topic_settings()) {
            rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
        }
        const QueueHandle queue{rd_kafka_queue_new(&client_)};
        rd_kafka_NewTopic_t* topics[] = {topic.get()};
        rd_kafka_CreateTopics(&client_, topics, 1, nullptr, queue.get());
        const auto event = answer_of(*queue);
        if (!event) return event.error();
        std::size_t count = 0;
        const auto* results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event->get()), &count
        );
        const auto error = count == 1 ? rd_kafka_topic_result_error(results[0])
                                      : RD_KAFKA_RESP_ERR_UNKNOWN;
        // Another lane may have been faster.
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR ||
            error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            return {};
        }
        const char* words =
            count == 1 ? rd_kafka_topic_result_error_string(results[0]) : nullptr;
        return failure_of(
            error,
            name_ + " could not be created: " + (words ? words : rd_kafka_err2str(error))
        );
    }

    Result<void> check() {
        if (partitions_ < wanted_.partitions) {
            return fail(
                Errc::bad_destination,
                name_ + " has " + std::to_string(partitions_) +
                    " partitions, and needs " + std::to_string(wanted_.partitions) +
                    ": add partitions to it"
            );
        }
        const auto policy = cleanup_policy();
        if (!policy) return policy.error();
        if (*policy != "compact") {
            return fail(
                Errc::bad_destination,
                name_ + " has cleanup.policy=" + *policy + ", which deletes " +
                    wanted_.record + "s: set it to compact"
            );
        }
        return {};
    }

    Result<std::string> cleanup_policy() {
        const ResourceHandle resource{
            rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, wanted_.name.c_str())};
        const QueueHandle queue{rd_kafka_queue_new(&client_)};
        rd_kafka_ConfigResource_t* resources[] = {resource.get()};
        rd_kafka_DescribeConfigs(&client_, resources, 1, nullptr, queue.get());
        const auto event = answer_of(*queue);
        if (!event) return event.error();
        std::size_t count = 0;
        const auto* found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event->get()), &count
        );
        if (count != 1) return fail(Errc::protocol_error, name_ + " was not described");
        const auto error = rd_kafka_ConfigResource_error(found[0]);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            const char* words = rd_kafka_ConfigResource_error_string(found[0]);
            return failure_of(
                error,
                "the settings of " + name_ +
                    " cannot be read: " + (words ? words : rd_kafka_err2str(error))
            );
        }
        const auto* entries = rd_kafka_ConfigResource_configs(found[0], &count);
        for (std::size_t i = 0; i < count; ++i) {
            if (rd_kafka_ConfigEntry_name(entries[i]) != std::string{"cleanup.policy"}) {
                continue;
            }
            const char* value = rd_kafka_ConfigEntry_value(entries[i]);
            return std::string{value ? value : ""};
        }
        return fail(Errc::protocol_error, name_ + " has no cleanup.policy");
    }

    Result<EventHandle> answer_of(rd_kafka_queue_t& queue) {
        while (!patience_.is_over()) {
            EventHandle event{
                rd_kafka_queue_poll(&queue, patience_.slice(milliseconds{100}))};
            if (!event) continue;
            const auto error = rd_kafka_event_error(event.get());
            if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
            return failure_of(
                error, name_ + ": " + rd_kafka_event_error_string(event.get())
            );
        }
        return patience_.failure(name_ + ": no broker answered");
    }

    rd_kafka_t& client_;
    const CompactedTopic& wanted_;
    const Patience& patience_;
    std::string name_;
    TopicHandle topic_;
    int partitions_ = 0;
};

}  // namespace

Result<void> prepare_compacted_topic(
    rd_kafka_t& client, const CompactedTopic& topic, const Patience& patience
) {
    return Preparation{client, topic, patience}.prepare();
}

}  // namespace resilience::kafka::detail
