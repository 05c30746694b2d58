// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_REPLAY_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_REPLAY_HPP

#include <modules/outbox_admin/letters/dead_letters.hpp>
#include <modules/outbox_admin/letters/marks.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>

#include <resilience/kafka/transactional_producer.hpp>

#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/** Sends events that were put aside to the topics that they were meant for, with marks in
    @ref mark_topic in the same transactions. One at a time can write: a later one
    fences an earlier one.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class Replay {
public:
    /// @param kind Of the marks: those under `<outbox>/<kind>/` are read.
    Replay(const Tools& tools, std::string kind);

    /** Opens the producer unless it is open, tries whether the topic of marks takes any,
        and then reads the marks: from then on nobody else adds one, or the next
        @ref commit is fenced.

        @return Whether somebody else may have written since the last call, so that the
            marks may say something else.

        @par Errors
        Those of @ref kafka::TransactionalProducer and @ref read_marks. Where the topic of
        marks is at fault, the detail names it.
    */
    net::awaitable<Result<bool>> ready();

    /// As the last @ref ready found them; without those that were sent since.
    const Marks& marks() const noexcept { return known_.marks; }

    /** Sends the letters, in order, and the marks, all in one transaction. Content that a
        letter had no room for is read from its row. After a failure, and some
        successes, @ref ready must come first; it may always.

        @par Errors
        @li Errc::internal It is not ready. Nothing was sent.
        @li Errc::not_found The content of a letter is gone.
        @li Those of @ref OutboxTable and @ref kafka::TransactionalProducer::commit.
    */
    net::awaitable<Result<void>> commit(
        const std::vector<DeadLetter>& letters, std::vector<Mark> marks
    );

    /// Whether the last @ref commit failed by one of its letters: without them another
    /// one may do.
    bool is_letter_refused() const noexcept { return is_letter_refused_; }

    /// Whether a @ref commit needs no @ref ready.
    bool is_ready() const noexcept { return is_known_ && producer_.is_open(); }

private:
    net::awaitable<Result<void>> try_marks();
    Failure fault_of_marks(Failure failure) const;
    net::awaitable<Result<void>> fill(
        const DeadLetter& letter, resilience::kafka::Message& message
    );

    const Tools& tools_;
    std::string kind_;
    resilience::kafka::TransactionalProducerOptions options_;
    resilience::kafka::TransactionalProducer producer_;
    KnownMarks known_;
    bool is_known_ = false;
    bool is_letter_refused_ = false;
    std::optional<OutboxTable> table_;
};

/** Settings of the replay's producer.

    Whoever reads the marks, or with `read_committed` the topics of the events, waits
    until a transaction in them has ended; a relay that takes a lane over reads neither.
    That of a replay that was killed is ended by the next replay, which fences it, or else
    by the broker, after 6 s and when it looks next
    (`transaction.abort.timed.out.transaction.cleanup.interval.ms`, 10 s). A relay has
    more time for a transaction, which may be large; one here has some events.
*/
resilience::kafka::TransactionalProducerOptions replay_transactions(const Tools& tools);
/// The connection, with shorter time-outs, as such a transaction needs them. Pure.
resilience::kafka::ProducerOptions replay_connection(
    resilience::kafka::ProducerOptions connection
);

}  // namespace resilience::modules::outbox_admin

#endif
