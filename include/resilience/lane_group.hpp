// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_GROUP_HPP
#define RESILIENCE_LANE_GROUP_HPP

#include <resilience/clock.hpp>
#include <resilience/lane_group_options.hpp>
#include <resilience/lane_ownership.hpp>
#include <resilience/lane_relay.hpp>
#include <resilience/lane_sink.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace resilience {

/// What one run of a lane works with; belongs to it alone.
struct LaneParts {
    std::unique_ptr<WindowSource> source;
    std::unique_ptr<LaneSink> sink;
    LaneRelayObserver observer = {};
};

/// Makes the parts of a lane for each of its runs. Called on the group's strand, must not
/// wait. What it throws counts as a run that failed.
using LaneFactory = std::function<LaneParts(int lane)>;

/// One lane as an instance sees it.
struct LaneStatus {
    /// Whether this instance has it.
    bool owned = false;
    /// Since when it has it, or has it no more.
    TimePoint since{};
    /// Times that it was run here.
    std::uint64_t runs = 0;
    /// Counters are those of all runs here together; the rest is that of the last one.
    LaneRelaySnapshot relay;
};

/// The state of a @ref LaneGroup at one moment; counters ascend for ever.
struct LaneGroupSnapshot {
    /// Instances that share the lanes, by the last look; 0 while this one is none.
    int members = 0;
    /// Since when this instance is a member, or is none.
    TimePoint since{};
    /// Why it is no member; empty before the first look and after the end.
    std::string reason;
    /// Times that it stopped being a member without having been told to.
    std::uint64_t losses = 0;
    /// Every lane, by its number.
    std::vector<LaneStatus> lanes;
};

/// Tells what keeps an instance from doing its part, if anything: it is no member, or a
/// lane that it has does not deliver. That must have lasted for `grace`. Lanes that
/// others have, or nobody, do not matter. Pure.
std::string find_stall(
    const LaneGroupSnapshot& group, TimePoint now, Clock::duration grace
);

/** Runs the lanes that this instance has, and has its share of them.

    Looks at who has which lanes, takes free ones up to its share, runs a @ref LaneRelay
    for each, and gives up what is above its share once the chunk in hand is committed. A
    lane that another owner took over is competed for again after a pause with jitter.
    When it is no member any more it stops its lanes, and joins again.

    Ownership is for liveness alone: that no two instances deliver the same is what the
    sinks see to (I7).

    @par Thread safety
    `stop`, `wake` and `snapshot`: safe. `run`: from any thread, once. The executor may
    have many threads: the group has a strand of its own on it, where it calls ownership,
    factory and observer, one at a time; each @ref LaneRelay has one too.

    @par Object lifetimes
    The ownership must outlive the group. The group must outlive `run`.
*/
class LaneGroup {
public:
    /// Called when the members, the lanes that are owned, or the reason have changed, on
    /// the group's strand; must neither throw nor wait.
    using Observer = std::function<void(const LaneGroupSnapshot&)>;

    /// @throws std::invalid_argument Names the option that is out of range.
    LaneGroup(
        net::any_io_executor executor,
        LaneOwnership& ownership,
        LaneFactory factory,
        LaneGroupOptions options = {},
        Observer observer = {}
    );
    ~LaneGroup();
    LaneGroup(const LaneGroup&) = delete;
    LaneGroup& operator=(const LaneGroup&) = delete;

    /** Works until @ref stop. Completes after the chunks in hand and leaves then.

        @par Cancellation
        `terminal` leaves the chunks in hand to the next owners, which find out what
        became of them. It ends when every lane has.
    */
    net::awaitable<void> run();

    /// Lets @ref run complete after the chunks in hand. Never waits.
    void stop();

    /// Ends the idle waits of all lanes at once; a writer in the same process calls it
    /// after its commit. Never waits.
    void wake();

    LaneGroupSnapshot snapshot() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience

#endif
