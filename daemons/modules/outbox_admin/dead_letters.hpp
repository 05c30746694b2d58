// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_DEAD_LETTERS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_DEAD_LETTERS_HPP

#include <modules/outbox_admin/tools.hpp>

#include <resilience/kafka/message.hpp>
#include <resilience/kafka/record.hpp>
#include <resilience/kafka/topic_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
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

/** The topic of the marks, of one partition. It is not that of the positions: there the
    transaction of a replay that was killed would keep a relay from taking a lane over.
*/
std::string mark_topic(const Tools& tools);

/// What is noted in @ref mark_topic with what was sent. No value: no longer.
struct Mark {
    std::string key;
    std::optional<std::string> value;
};

/// The mark of a letter that was replayed: its place, and which event that was. Pure.
Mark mark_of(const std::string& outbox, const DeadLetter& letter);

/// What is noted, by key.
using Marks = std::map<std::string, std::string, std::less<>>;

/// Whether the marks tell that the letter was replayed: this event from this place. Pure.
bool is_replayed(const Marks& marks, const std::string& outbox, const DeadLetter& letter);

/// Marks, and how far their topic was read.
struct KnownMarks {
    Marks marks;
    std::map<resilience::kafka::TopicPartition, std::int64_t> reached;
};

/// Reads all marks of the outbox under `<outbox>/<kind>/`.
/// @par Errors
/// Those of @ref kafka::TopicReader.
net::awaitable<Result<Marks>> read_marks(const Tools& tools, std::string_view kind);

/// Reads what was added since the marks were read, or everything the first time. After a
/// failure they are as they were, or nearer to what there is.
/// @par Errors
/// Those of @ref kafka::TopicReader.
net::awaitable<Result<void>> read_marks(
    const Tools& tools, std::string_view kind, KnownMarks& known
);

/** The marks that no letter can be asked for by any more, as what the partition keeps
    begins behind it: each as it is taken back. Pure.

    @param partitions Those of topics of dead letters; marks of others stay.
*/
std::vector<Mark> marks_of_removed(
    const Marks& marks,
    const std::string& outbox,
    const std::vector<resilience::kafka::PartitionProgress>& partitions
);

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
