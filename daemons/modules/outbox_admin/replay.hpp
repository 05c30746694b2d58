// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_REPLAY_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_REPLAY_HPP

#include <modules/outbox_admin/dead_letters.hpp>
#include <modules/outbox_admin/outbox_table.hpp>

#include <resilience/kafka/transactional_producer.hpp>

#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/** Sends events that were put aside to the topics that they were meant for, with marks in
    the position topic in the same transactions. One at a time can write: a later one
    fences an earlier one.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class Replay {
public:
    explicit Replay(const Tools& tools);

    /// From then on no other replay writes, and all marks can be read.
    net::awaitable<Result<void>> open();

    /** Sends the letters, in order, and the marks, all in one transaction. Content that a
        letter had no room for is read from its row.

        @par Errors
        @li Errc::not_found The content of a letter is gone.
        @li Those of @ref kafka::TransactionalProducer::commit.
    */
    net::awaitable<Result<void>> commit(
        const std::vector<DeadLetter>& letters, std::vector<Mark> marks
    );

private:
    net::awaitable<Result<void>> fill(
        const DeadLetter& letter, resilience::kafka::Message& message
    );

    const Tools& tools_;
    std::string positions_;
    resilience::kafka::TransactionalProducer producer_;
    std::optional<OutboxTable> table_;
};

/** Settings of the replay's producer. Pure.

    Whoever reads marks, or takes over lane 0, which has the partition that they are in,
    waits until a transaction in it has ended. That of a replay that was killed is ended
    by the next replay, which fences it, or else by the broker, after 6 s and when it
    looks next (`transaction.abort.timed.out.transaction.cleanup.interval.ms`, 10 s). A
    relay has more time for a transaction, which may be large; one here has some events.
*/
resilience::kafka::TransactionalProducerOptions replay_transactions(
    const std::string& outbox
);
/// The connection, with shorter time-outs, as such a transaction needs them. Pure.
resilience::kafka::ProducerOptions replay_connection(
    resilience::kafka::ProducerOptions connection
);

/// Whether the letter alone is at fault, and the next one may do. Pure.
bool blames_letter(const Failure& failure);

}  // namespace resilience::modules::outbox_admin

#endif
