// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_SINK_HPP
#define RESILIENCE_LANE_SINK_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace resilience {

/// An event that alone is to blame for the failure of a @ref LaneSink::commit.
struct LaneRefusal {
    /// Where it stands in the chunk, from 0.
    std::size_t event = 0;
    /// What the destination said of it.
    Failure failure;
};

/** Where the events of one lane go when each is delivered exactly once: a destination
    that commits events and the lane's position together.

    A lane may have several sinks, in one process or many. The one that took over last is
    its owner; the others are fenced.

    @par Contract (run by the contract suite on each implementation)
    @li I1: what `take_over` yields is the last position that was committed, whoever
        committed it, and it decides what was delivered.
    @li I2: `commit` makes all of the events and the position seen, or none of them. It
        succeeds only if every one of them was taken.
    @li I7: from the moment that `take_over` begins to read, no `commit` of an earlier
        owner can succeed, also one that was under way. Such a `commit` is either part of
        what is read, or never happens.
    @li I8: after a `commit` has failed, whatever the failure, the next is refused with
        @ref Errc::invalid_request until `take_over` has succeeded.
    @li Events are delivered in the order given; those of one key stay in order.

    @par Cancellation
    `terminal`. It counts as a failure: take over again.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    The sink, and what an operation is given by reference or as a span, must outlive the
    operation.
*/
class LaneSink {
public:
    virtual ~LaneSink() = default;

    /** Fences every other owner of the lane, waits until what they had under way is
        decided, and reads the position.

        @return The last position committed; none when the lane has never committed one.

        @par Errors
        @li Errc::fenced Another owner took over meanwhile.
        @li Errc::corrupt_data What stands there is not a position. Nothing is guessed
            (I11).
        @li Errc::access_denied, Errc::bad_destination The destination refuses; the detail
            says what to do.
        @li Retryable ones: the destination is down or busy.
    */
    virtual net::awaitable<Result<std::optional<LanePosition>>> take_over() = 0;

    /** Delivers the events of one chunk and the position after them in one transaction.

        @param events May be empty: then the position alone is committed.
        @param next Where the lane is when it succeeded.

        @par Errors
        What was delivered is told by the code alone:
        @li Errc::aborted Nothing. Take over, then commit the chunk again.
        @li Errc::fenced Another owner has the lane: stop. Its position tells.
        @li Errc::too_large, Errc::bad_destination, Errc::access_denied,
            Errc::invalid_request Nothing, and the same chunk fails again. Which events
            are to blame is told by @ref refusals, and by the detail, which names the
            first by its identity. With none the destination judged several together:
            commit fewer.
        @li Those of which @ref is_in_doubt holds: all or nothing. The position that
            `take_over` reads tells.
        @li Other retryable ones: nothing, as with `aborted`.
    */
    virtual net::awaitable<Result<void>> commit(
        std::span<const WindowEvent> events, const LanePosition& next
    ) = 0;

    /// The events for which the last `commit` failed, ascending; without them, or with
    /// others in their places, it may succeed. There may be more. Empty by default.
    virtual std::vector<LaneRefusal> refusals() const { return {}; }

    /// From when on the next `commit` does not wait for what the destination still has to
    /// do for the last one: whoever reads its events then finds more of them. A relay
    /// waits no longer for it than @ref LaneRelayOptions::poll_interval. By default long
    /// past.
    virtual TimePoint ready_at() const { return {}; }

    /// How many commits the destination put off, as it still had to do for the one before
    /// them; ascends. By default 0.
    virtual std::uint64_t put_offs() const { return 0; }
};

}  // namespace resilience

#endif
