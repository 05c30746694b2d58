// SPDX-License-Identifier: MIT
#include <modules/relay/lane_metrics.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace resilience::modules::relay {
namespace {

// In the order of LaneState.
constexpr std::array states{
    "stopped", "starting", "running", "paused", "halted", "fenced"};

double seconds(Clock::duration span) {
    return std::chrono::duration<double>(span).count();
}

}  // namespace

LaneMetrics::LaneMetrics(prometheus::Metrics& metrics, int lanes)
    : members_(metrics.gauge(
          "relay_members", "Instances that share the lanes; 0 while this one does not"
      )),
      losses_(metrics.counter(
          "relay_membership_losses_total", "Times that this instance lost its lanes"
      )) {
    const auto gauges = [&](const char* name, const char* help) {
        return metrics.gauges(name, help, {"lane"});
    };
    const auto counters = [&](const char* name, const char* help) {
        return metrics.counters(name, help, {"lane"});
    };
    const auto owned = gauges("relay_lane_owned", "1 for a lane that this instance has");
    const auto state = metrics.gauges(
        "relay_lane_state",
        "1 for the state that a lane of this instance is in",
        {"lane", "state"},
        states.size() * static_cast<std::size_t>(lanes)
    );
    const auto lag = gauges(
        "relay_lane_lag_seconds",
        "All that was committed longer ago is delivered; 0 for lanes of others"
    );
    const auto window_age = gauges(
        "relay_lane_window_age_seconds",
        "Since when the window in hand is being delivered"
    );
    const auto chunk = gauges("relay_lane_chunk_events", "Events of the last chunk");
    const auto commit =
        gauges("relay_lane_commit_seconds", "How long the last chunk's commit took");
    const auto gate = gauges(
        "relay_lane_gate_seconds",
        "How long the last wait for the disk of the source took"
    );
    const auto rest = gauges(
        "relay_lane_rest_seconds",
        "How long the lane last waited for Kafka to end its last transaction"
    );
    const auto parked = gauges(
        "relay_lane_parked_keys", "Keys whose events are put aside; 0 for lanes of others"
    );
    const auto runs = counters("relay_lane_runs_total", "Times that a lane was run here");
    const auto take_overs = counters(
        "relay_lane_take_overs_total", "Times that the position of a lane was read"
    );
    const auto events = counters(
        "relay_lane_events_total", "Events that were delivered, dead letters included"
    );
    const auto chunks =
        counters("relay_lane_chunks_total", "Transactions that were committed");
    const auto dead_letters = counters(
        "relay_lane_dead_letters_total",
        "Events that were put aside as dead letters or parked"
    );
    const auto gates = counters(
        "relay_lane_gates_total", "Windows that were waited for to become durable"
    );
    const auto pauses =
        counters("relay_lane_pauses_total", "Pauses because source or sink was down");
    const auto halts = counters(
        "relay_lane_halts_total",
        "Times that something was wrong which time does not mend"
    );
    const auto fences =
        counters("relay_lane_fences_total", "Times that another owner was found");
    const auto aborts =
        counters("relay_lane_aborts_total", "Chunks of which nothing was delivered");
    const auto put_offs = counters(
        "relay_lane_put_offs_total",
        "Transactions that Kafka put off, as it still ended the one before them"
    );
    const auto doubts = counters(
        "relay_lane_doubts_total", "Chunks of which the next take-over had to tell"
    );
    for (int number = 0; number < lanes; ++number) {
        const auto name = std::to_string(number);
        Lane lane{
            .owned = owned.with({name}),
            .states = {},
            .lag = lag.with({name}),
            .window_age = window_age.with({name}),
            .chunk = chunk.with({name}),
            .commit = commit.with({name}),
            .gate = gate.with({name}),
            .rest = rest.with({name}),
            .parked = parked.with({name}),
            .runs = runs.with({name}),
            .take_overs = take_overs.with({name}),
            .events = events.with({name}),
            .chunks = chunks.with({name}),
            .dead_letters = dead_letters.with({name}),
            .gates = gates.with({name}),
            .pauses = pauses.with({name}),
            .halts = halts.with({name}),
            .fences = fences.with({name}),
            .aborts = aborts.with({name}),
            .put_offs = put_offs.with({name}),
            .doubts = doubts.with({name})};
        for (const char* one : states) lane.states.push_back(state.with({name, one}));
        lanes_.push_back(std::move(lane));
    }
}

void LaneMetrics::show(const LaneGroupSnapshot& group, TimePoint now) const {
    members_.set(group.members);
    losses_.raise_to(static_cast<double>(group.losses));
    for (std::size_t lane = 0; lane < lanes_.size() && lane < group.lanes.size();
         ++lane) {
        show(lanes_[lane], group.lanes[lane], now);
    }
}

void LaneMetrics::show(const Lane& lane, const LaneStatus& status, TimePoint now) {
    const auto& relay = status.relay;
    const auto current = static_cast<std::size_t>(relay.state);
    lane.owned.set(status.owned ? 1 : 0);
    for (std::size_t one = 0; one < lane.states.size(); ++one) {
        lane.states[one].set(status.owned && one == current ? 1 : 0);
    }
    const auto age = [&](TimePoint since) {
        return status.owned && now > since ? seconds(now - since) : 0;
    };
    lane.lag.set(age(relay.caught_up.value_or(status.since)));
    lane.window_age.set(age(relay.window_since.value_or(now)));
    lane.chunk.set(static_cast<double>(relay.last_chunk));
    lane.commit.set(seconds(relay.last_commit));
    lane.gate.set(seconds(relay.last_gate));
    lane.rest.set(seconds(relay.last_rest));
    const auto parked = status.owned ? relay.position.parked.size() : 0;
    lane.parked.set(static_cast<double>(parked));
    const auto raise = [](const prometheus::Counter& counter, std::uint64_t total) {
        counter.raise_to(static_cast<double>(total));
    };
    raise(lane.runs, status.runs);
    raise(lane.take_overs, relay.take_overs);
    raise(lane.events, relay.events);
    raise(lane.chunks, relay.chunks);
    raise(lane.dead_letters, relay.dead_letters);
    raise(lane.gates, relay.gates);
    raise(lane.pauses, relay.pauses);
    raise(lane.halts, relay.halts);
    raise(lane.fences, relay.fences);
    raise(lane.aborts, relay.aborts);
    raise(lane.put_offs, relay.put_offs);
    raise(lane.doubts, relay.doubts);
}

}  // namespace resilience::modules::relay
