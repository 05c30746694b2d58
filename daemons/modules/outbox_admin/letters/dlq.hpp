// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_DLQ_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_DLQ_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `--topics --since --rows-at-once --limit`.
void declare_dlq_list(host::Config& config, Request& request);

/// Lists dead letters, and which of them were replayed. Something is wrong when some were
/// not.
net::awaitable<Result<Report>> dlq_list(const Tools& tools);

/// Declares `--topics --since --rows-at-once --id --all`.
void declare_dlq_replay(host::Config& config, Request& request);

/** Sends dead letters to the topics that their events were meant for, each once.

    @li One replay at a time: a later one fences an earlier one, which ends, or else reads
        the marks again before it sends anything.
    @li With each event a mark goes to @ref mark_topic in the same transaction, of the
        letter's place and its event. Marks are read first, so that a replay that was
        killed is simply run again. They are taken back once the topic of dead letters
        begins behind their letters.
    @li Letters are read and sent some at a time: the memory is that of the marks, some
        200 bytes for each letter that is still in its topic, and of one reading.
    @li The content, key and headers are those of the dead letter. What is in its row
        alone is read from the table.
    @li An event that its topic still refuses stays a dead letter, and is told.

    Something is wrong when an event was refused, or its content is gone.

    @par Errors
    @li Errc::not_found There is no dead letter of the event that was asked for.
*/
net::awaitable<Result<Report>> dlq_replay(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
