// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_DEAD_LETTER_TOPIC_HPP
#define RESILIENCE_KAFKA_DEAD_LETTER_TOPIC_HPP

#include <resilience/asio/result.hpp>
#include <resilience/dead_letter.hpp>
#include <resilience/kafka/message.hpp>
#include <resilience/kafka/record.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>

namespace resilience::kafka {

class Producer;

/// Header of a consumer's dead letter: the partition it was read from, a decimal number.
inline constexpr std::string_view dead_letter_partition_header = "dead_letter_partition";
/// Header of a consumer's dead letter: its offset there, a decimal number.
inline constexpr std::string_view dead_letter_offset_header = "dead_letter_offset";

/** Makes the message that puts away a record that cannot be handled. Pure.

    It has the record's key, value and headers, goes to the topic's name followed by
    `suffix`, and has after its own the headers `dead_letter_topic`,
    `dead_letter_partition`, `dead_letter_offset` and `dead_letter_reason`. Headers of
    these names that it had are left out.
*/
Message dead_letter(const Record& record, const Failure& why, std::string_view suffix);

/** Puts records that cannot be handled into the dead letter topic of their topic; a
    `poison` of @ref consume_once.

    At least once: after a crash in between the record is put away again, with the same
    topic, partition and offset in its headers.

    @par Thread safety
    Safe.

    @par Object lifetimes
    The producer must outlive it.
*/
class DeadLetterTopic {
public:
    /// @param suffix What follows a topic's name. Not empty.
    /// @throws std::invalid_argument `suffix` is empty.
    explicit DeadLetterTopic(
        Producer& producer, std::string suffix = std::string{default_dead_letter_suffix}
    );

    /// Completes when the brokers have it.
    /// @par Errors
    /// Those of @ref Producer::async_produce.
    net::awaitable<Result<void>> operator()(const Record& record, const Failure& why)
        const;

private:
    Producer* producer_;
    std::string suffix_;
};

}  // namespace resilience::kafka

#endif
