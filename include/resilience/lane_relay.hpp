// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_RELAY_HPP
#define RESILIENCE_LANE_RELAY_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/lane_relay_options.hpp>
#include <resilience/lane_sink.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience {

/// What a lane is doing.
enum class LaneState : std::uint8_t {
    /// Not run, or told to stop.
    stopped,
    /// Takes over, or has nothing delivered or looked for since.
    starting,
    /// Delivers, or waits for events.
    running,
    /// Source or sink is down; it tries again with growing pauses.
    paused,
    /// Something is wrong that time alone does not mend; it tries again seldom.
    halted,
    /// Another owner has the lane.
    fenced
};

/// The state of a @ref LaneRelay at one moment; counters ascend for ever.
struct LaneRelaySnapshot {
    LaneState state = LaneState::stopped;
    /// Since when it is in @ref state.
    TimePoint since{};
    /// Why the lane is paused, halted or fenced; empty otherwise.
    std::string reason;

    /// The last committed position known; as made when there is none.
    LanePosition position;
    /// Everything that was committed to the source before this moment is delivered. None
    /// before the first time that the lane had caught up with a look.
    std::optional<TimePoint> caught_up;
    /// When the window that is being delivered was looked at; none between windows and
    /// for one that was begun before this owner took over.
    std::optional<TimePoint> window_since;

    std::uint64_t take_overs = 0;
    std::uint64_t looks = 0;
    /// Windows that were waited for to become durable (I6).
    std::uint64_t gates = 0;
    std::uint64_t chunks = 0;
    /// Events in them, dead letters and parked events included.
    std::uint64_t events = 0;
    /// Parked events included.
    std::uint64_t dead_letters = 0;
    /// Chunks of which nothing was delivered, and chunks that were in doubt.
    std::uint64_t aborts = 0;
    std::uint64_t doubts = 0;
    std::uint64_t fences = 0;
    std::uint64_t pauses = 0;
    std::uint64_t halts = 0;
    /// Chunks that were put off, see @ref LaneSink::put_offs.
    std::uint64_t put_offs = 0;

    /// Events of the last chunk, and how long its commit and its gate took.
    std::size_t last_chunk = 0;
    std::chrono::nanoseconds last_commit{0};
    std::chrono::nanoseconds last_gate{0};
    /// How long the lane last waited, before a look, until @ref LaneSink::ready_at.
    std::chrono::nanoseconds last_rest{0};

    /// Whether the lane delivers.
    bool is_ready() const noexcept { return state == LaneState::running; }
};

/// An event whose dead letter was delivered in its place, or that was parked.
struct DeadLettered {
    /// Where it stands in the chunk, from 0.
    std::size_t event = 0;
    Failure why;
    /// Nothing is wrong with it: it was put aside because its key is parked.
    bool is_behind = false;
};

/// One transaction that was committed.
struct CommittedChunk {
    /// The rows as they were delivered, dead letters in their places, in the order of
    /// `seq`. The last one's `lane_seq` is that of @ref position.
    std::vector<WindowEvent> events;
    std::vector<DeadLettered> dead_letters;
    /// What was committed with them.
    LanePosition position;
};

/// Who is told what a @ref LaneRelay does, on its strand; must neither throw nor wait.
struct LaneRelayObserver {
    /// After each chunk and change of state.
    std::function<void(const LaneRelaySnapshot&)> changed = {};

    /// After each chunk that is known to be committed, once, in their order. A chunk
    /// whose owner ended before it knew is told to nobody: only the position tells.
    std::function<void(const CommittedChunk&)> committed = {};
};

/** Says why a row is never delivered, whatever the destination, as for claimed rows.
   Pure. */
std::optional<Failure> find_defect(const WindowEvent& row);

/** Moves the events of one lane from a source to a sink: each exactly once, in order for
    each key, whatever ends in between.

    Takes over the sink, goes on from the position found there, and commits chunk after
    chunk, each together with the position after it. Positions are compared with the
    source first: one of another history, or of another assignment of lanes, is refused
    (I11). After any failure it takes over again and reads the committed position, which
    alone decides what was delivered (I1).

    An idle lane only looks: windows without events of the lane are kept in memory.

    Any number of relays may be given the same lane; the last to take over delivers, and
    the `run` of each other ends with Errc::fenced when it tries to. As two that try at
    once would take the lane from each other, something outside chooses who runs; that
    choice may be wrong for a while.

    @par Thread safety
    `stop`, `wake` and `snapshot`: safe. `run`: from any thread, once at a time. The
    executor may have many threads: the relay has a strand of its own on it, where it
    calls source, sink and observer, one at a time, except that a `read` may be under way
    together with a `commit`.

    @par Object lifetimes
    Source and sink must outlive the relay, and belong to it alone: after a failure that
    somebody else was told of it would go on. The relay must outlive `run`.
*/
class LaneRelay {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    LaneRelay(
        net::any_io_executor executor,
        WindowSource& source,
        LaneSink& sink,
        LaneRelayOptions options = {},
        LaneRelayObserver observer = {}
    );
    ~LaneRelay();
    LaneRelay(const LaneRelay&) = delete;
    LaneRelay& operator=(const LaneRelay&) = delete;

    /** Delivers until @ref stop, then completes after the chunk in hand. Unless it was
        stopped it may be run again.

        @par Errors
        @li Errc::fenced Another owner took the lane over. Whoever competes again waits
            before, with jitter.
        @li What halted the lane, after LaneRelayOptions::halted_tries.

        @par Cancellation
        `terminal`, and so does destruction: the next owner finds out what became of the
        chunk in hand.
    */
    net::awaitable<Result<void>> run();

    /// Lets @ref run complete after the chunk in hand. Never waits.
    void stop();

    /// Ends an idle wait at once; a writer in the same process calls it after its commit.
    /// Never waits.
    void wake();

    LaneRelaySnapshot snapshot() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience

#endif
