// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_DEAD_LETTERS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_DEAD_LETTERS_HPP

#include <modules/outbox_admin/tools.hpp>

#include <resilience/kafka/message.hpp>
#include <resilience/kafka/record.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

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

/// What is noted in the position topic with what was sent. No value: no longer.
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

/// Reads all marks of the outbox under `<outbox>/<kind>/`.
net::awaitable<Result<Marks>> read_marks(const Tools& tools, std::string_view kind);

/// Calls `take` with each dead letter of the request's topics, until it returns false.
net::awaitable<Result<void>> read_letters(
    const Tools& tools, std::function<bool(DeadLetter)> take
);

}  // namespace resilience::modules::outbox_admin

#endif
