// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_DEAD_LETTERS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_DEAD_LETTERS_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/kafka/message.hpp>
#include <resilience/kafka/record.hpp>
#include <resilience/kafka/topic_reader.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// A dead letter, and where it lies.
struct DeadLetter {
    resilience::kafka::Record record;
    std::string event;
    /// The topic that the event was meant for.
    std::string topic;
    std::string reason;
    /// Its content is in the row alone.
    bool is_left_out = false;
    /// `topic/partition/offset`.
    std::string place() const;
};

/// Reads what a record says of itself; none if it is no dead letter. Pure.
std::optional<DeadLetter> dead_letter_of(resilience::kafka::Record record);

/** The message of the event as it was meant to be sent: key, content and headers of the
    dead letter, less those that a lane or the dead letter gave it, and
    @ref replayed_header. Pure. */
resilience::kafka::Message replay_of(const DeadLetter& letter);

/// Bytes of key, value and headers. Pure.
std::size_t size_of(const resilience::kafka::Record& record);

/** Reads the dead letters of a request's topics, some at a time.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class DeadLetters {
public:
    explicit DeadLetters(const Tools& tools) : tools_(tools) {}

    /// @par Errors
    /// @li Those of @ref kafka::TopicReader and the database.
    net::awaitable<Result<void>> open();

    /// The next ones, as many as the reader yields at once; none: these were all.
    net::awaitable<Result<std::vector<DeadLetter>>> read();

    /// The partitions that there are.
    std::vector<resilience::kafka::PartitionProgress> partitions() const;

private:
    const Tools& tools_;
    std::optional<resilience::kafka::TopicReader> reader_;
};

}  // namespace resilience::modules::outbox_admin

#endif
