// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_REPLAY_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_REPLAY_HPP

#include <modules/outbox_admin/dead_letters.hpp>

#include <resilience/kafka/transactional_producer.hpp>
#include <resilience/postgres/connection.hpp>

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
    std::optional<resilience::postgres::Connection> connection_;
};

/// Whether the letter alone is at fault, and the next one may do. Pure.
bool blames_letter(const Failure& failure);

}  // namespace resilience::modules::outbox_admin

#endif
