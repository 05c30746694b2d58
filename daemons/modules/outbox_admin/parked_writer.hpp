// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_WRITER_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_WRITER_HPP

#include <modules/outbox_admin/parked_letters.hpp>
#include <modules/outbox_admin/replay.hpp>

#include <resilience/kafka/lane_positions.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// An event that its topic refuses.
struct RefusedEvent {
    std::uint64_t number = 0;
    std::string event;
    Failure why;
};

/** Writes the events of one parking to their topic, with a mark of how many are there in
    the same transactions.

    Two at a time fence one another, and each event is still written once: whoever takes
    the identity goes on only if the mark is its own and the parking is not over.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class ParkedWriter {
public:
    ParkedWriter(const Tools& tools, const Parking& parking);

    /** Finds out how far somebody has come before, and fences them.

        @param by_hand Events that count as written, and are noted as such.

        @par Errors
        @li Errc::corrupt_data The mark cannot be read.
        @li Those of @ref Replay.
    */
    net::awaitable<Result<void>> open(std::uint64_t by_hand);

    /// What the lane's position has of the parking; none: it is over.
    /// @par Errors
    /// @li Errc::corrupt_data The lane has no position.
    /// @li Those of @ref kafka::LanePositions.
    net::awaitable<Result<std::optional<ParkedKey>>> parking();

    /** Writes the events that come next: all at once, or one by one where one of them is
        refused, or fewer at a time where a transaction has no time for all. After one
        that is refused the rest is not written (@ref refused), and that is no error.

        @par Errors
        @li Errc::fenced Somebody else unparks it, too.
        @li Others of @ref Replay and @ref parking.
    */
    net::awaitable<Result<void>> send(const std::vector<DeadLetter>& letters);

    /** Takes the mark back, of a parking that is over, and those of other parkings that
        are: who wrote them was killed before it could.

        @par Errors
        Those of @ref Replay.
    */
    net::awaitable<Result<void>> forget();

    const Unparked& done() const noexcept { return done_; }
    /// Those that were written by this object.
    std::uint64_t sent() const noexcept { return sent_; }
    const std::optional<RefusedEvent>& refused() const noexcept { return refused_; }

private:
    net::awaitable<Result<void>> ready();
    net::awaitable<std::vector<Mark>> marks_of_ended();
    net::awaitable<Result<void>> commit(
        const std::vector<DeadLetter>& letters, const Unparked& next
    );

    Parking parking_;
    std::string outbox_;
    std::string mark_;
    resilience::kafka::LanePositions positions_;
    Replay replay_;
    Unparked done_;
    // Since the identity was taken last, nobody else is known to have written.
    bool is_own_ = false;
    std::uint64_t sent_ = 0;
    std::optional<RefusedEvent> refused_;
};

/// How many letters are tried in a transaction after one of so many failed; none: another
/// one would fail, too. Pure.
std::optional<std::size_t> fewer_letters(const Failure& failure, std::size_t letters);

}  // namespace resilience::modules::outbox_admin

#endif
