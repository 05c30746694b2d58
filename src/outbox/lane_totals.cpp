// SPDX-License-Identifier: MIT
#include "lane_totals.hpp"

#include <resilience/lane_group.hpp>

#include <string>

namespace resilience {
namespace {

bool is_failing(LaneState state) noexcept {
    return state == LaneState::paused || state == LaneState::halted ||
           state == LaneState::fenced;
}

const char* words_for(LaneState state) noexcept {
    switch (state) {
        case LaneState::stopped:
            return "is stopped";
        case LaneState::starting:
            return "is taken over";
        case LaneState::running:
            return "runs";
        case LaneState::paused:
            return "is paused";
        case LaneState::halted:
            return "is halted";
        case LaneState::fenced:
            return "is fenced";
    }
    return "is in no known state";
}

}  // namespace

namespace detail {

LaneRelaySnapshot add_run(const LaneRelaySnapshot& past, const LaneRelaySnapshot& run) {
    LaneRelaySnapshot total = run;
    total.take_overs += past.take_overs;
    total.looks += past.looks;
    total.gates += past.gates;
    total.chunks += past.chunks;
    total.events += past.events;
    total.dead_letters += past.dead_letters;
    total.aborts += past.aborts;
    total.doubts += past.doubts;
    total.fences += past.fences;
    total.pauses += past.pauses;
    total.halts += past.halts;
    total.put_offs += past.put_offs;
    if (run.take_overs == 0) total.position = past.position;
    if (!run.caught_up) total.caught_up = past.caught_up;
    if (run.chunks == 0) {
        total.last_chunk = past.last_chunk;
        total.last_commit = past.last_commit;
    }
    if (run.gates == 0) total.last_gate = past.last_gate;
    if (run.last_rest.count() == 0) total.last_rest = past.last_rest;

    const bool has_run = run.chunks > 0 || run.caught_up.has_value();
    if (is_failing(past.state) && !has_run) {
        if (run.state == LaneState::starting) {
            total.state = past.state;
            total.reason = past.reason;
        }
        if (is_failing(total.state)) total.since = past.since;
    }
    return total;
}

}  // namespace detail

std::string find_stall(
    const LaneGroupSnapshot& group, TimePoint now, Clock::duration grace
) {
    const auto lasts = [&](TimePoint since) { return now - since >= grace; };
    const auto because = [](std::string text, const std::string& reason) {
        return reason.empty() ? text : text + ": " + reason;
    };
    if (group.members == 0) {
        if (!lasts(group.since)) return {};
        return because("does not share the lanes", group.reason);
    }
    for (std::size_t lane = 0; lane < group.lanes.size(); ++lane) {
        const auto& [owned, since, runs, relay] = group.lanes[lane];
        if (!owned || relay.is_ready() || !lasts(since) || !lasts(relay.since)) continue;
        return because(
            "lane " + std::to_string(lane) + ' ' + words_for(relay.state), relay.reason
        );
    }
    return {};
}

}  // namespace resilience
