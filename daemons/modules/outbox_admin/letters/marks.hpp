// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_MARKS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_MARKS_HPP

#include <modules/outbox_admin/letters/dead_letters.hpp>

#include <resilience/kafka/topic_reader.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::modules::outbox_admin {

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

}  // namespace resilience::modules::outbox_admin

#endif
