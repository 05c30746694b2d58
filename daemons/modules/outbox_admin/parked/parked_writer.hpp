// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_PARKED_WRITER_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_PARKED_WRITER_HPP

#include <modules/outbox_admin/letters/marks.hpp>
#include <modules/outbox_admin/letters/replay.hpp>
#include <modules/outbox_admin/parked/parked_letters.hpp>

#include <resilience/kafka/lane_positions.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
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

/// What became of marks that are no longer needed.
struct Forgotten {
    /// Marks of other parkings that were taken back.
    std::size_t others = 0;
    /// Why some are still there; none: none is.
    std::optional<Failure> left;
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

    /** Fences whoever writes it, too, and reads the marks.

        @par Errors
        Those of @ref Replay.
    */
    net::awaitable<Result<void>> open();

    /// What the mark of the parking says, as @ref open found it; none: there is no mark.
    /// @par Errors
    /// @li Errc::corrupt_data It cannot be read.
    Result<std::optional<Unparked>> mark() const;

    /** Goes on behind what was written before, and notes it unless the mark says it.

        @par Errors
        Those of @ref Replay.
    */
    net::awaitable<Result<void>> begin(const Unparked& done);

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

    /** Takes the mark back, of a parking that is over, and then those of other parkings
        that are: who wrote them was killed before it could. The latter in some seconds,
        or not at all.

        @return What was left, which the next unparking takes back.
    */
    net::awaitable<Forgotten> forget();

    const Unparked& done() const noexcept { return done_; }
    /// Those that were written by this object.
    std::uint64_t sent() const noexcept { return sent_; }
    const std::optional<RefusedEvent>& refused() const noexcept { return refused_; }

private:
    net::awaitable<Result<void>> ready();
    net::awaitable<Result<void>> take_back(std::vector<Mark> marks);
    net::awaitable<Result<void>> forget_others(std::size_t& forgotten);
    net::awaitable<Result<void>> commit(
        const std::vector<DeadLetter>& letters, const Unparked& next
    );

    const Tools& tools_;
    Parking parking_;
    std::string mark_;
    resilience::kafka::LanePositions positions_;
    Replay replay_;
    Unparked done_;
    // Since the identity was taken last, nobody else is known to have written.
    bool is_own_ = false;
    std::uint64_t sent_ = 0;
    std::optional<RefusedEvent> refused_;
};

/** The marks of parkings that are over: their lanes are known, and do not have them. Each
    as it is taken back, at most so many. Pure.

    @param lanes The keys that are parked in each lane that is known.
*/
std::vector<Mark> marks_of_ended(
    const Marks& marks,
    const std::string& outbox,
    const std::map<int, std::vector<ParkedKey>>& lanes,
    std::size_t most
);

/** How many letters are tried in a transaction after one of so many failed; none: another
    one would fail, too. Pure.

    @param is_refused Whether some of the letters are at fault.
*/
std::optional<std::size_t> fewer_letters(
    const Failure& failure, bool is_refused, std::size_t letters
);

}  // namespace resilience::modules::outbox_admin

#endif
