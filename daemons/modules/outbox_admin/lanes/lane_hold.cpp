// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/lanes/lane_hold.hpp>

#include <resilience/detail/lane_fault.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::outbox_admin {

LaneHold::LaneHold(const Tools& tools)
    : tools_(tools),
      locks_(tools.executor, {.connection = tools.database, .lanes = tools.lanes.lanes}) {
}

net::awaitable<Result<void>> LaneHold::take(std::vector<int> lanes) {
    const auto census = co_await locks_.look();
    if (!census) co_return census.error();
    if (census->members > 1) {
        co_return fail(
            Errc::unavailable,
            std::to_string(census->members - 1) +
                " relays run: end them before, and start them again after"
        );
    }
    for (const int lane : lanes) {
        // One that there is to be has no lock yet, and no relay.
        if (lane >= tools_.lanes.lanes) continue;
        const auto taken = co_await locks_.take(lane);
        if (!taken) co_return taken.error();
        if (!*taken) {
            co_return fail(
                Errc::unavailable, "somebody else has lane " + std::to_string(lane)
            );
        }
    }
    for (const int lane : lanes) {
        auto options = tools_.lanes;
        options.lane = lane;
        options.lanes = std::max(options.lanes, lane + 1);
        auto& held = lanes_[lane];
        held.producer = std::make_unique<resilience::kafka::LaneProducer>(
            tools_.executor, tools_.kafka, std::move(options)
        );
        auto position = co_await held.producer->take_over();
        if (!position) co_return position.error();
        held.position = std::move(*position);
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> LaneHold::commit(
    int lane, std::span<const WindowEvent> events, LanePosition next
) {
    auto& held = lanes_.at(lane);
    const auto& last = held.position;
    next.batch_seq = (last ? last->batch_seq : 0) + 1;
    next.lane_seq = (last ? last->lane_seq : 0) + events.size();
    auto done = co_await held.producer->commit(events, next);
    // Nothing of it was delivered; the producer was only replaced, as after a suspicion.
    for (int tries = 0; tries < 3 && !done && done.error() == Errc::aborted; ++tries) {
        const auto again = co_await take_over_again(held);
        if (!again) co_return again.error();
        done = co_await held.producer->commit(events, next);
    }
    held.refusals = held.producer->refusals();
    if (done) held.position = std::move(next);
    if (done || !detail::blames_content(done.error())) co_return done;
    // I8: the producer goes on after a take-over alone. Nothing of it was delivered.
    const auto again = co_await take_over_again(held);
    if (!again) co_return again.error();
    co_return done;
}

// What follows is made for the position that is known here.
net::awaitable<Result<void>> LaneHold::take_over_again(Lane& held) {
    const auto position = co_await held.producer->take_over();
    if (!position) co_return position.error();
    if (*position == held.position) co_return Result<void>{};
    co_return fail(
        Errc::fenced, "somebody else had the lane meanwhile: end relays, and run it again"
    );
}

}  // namespace resilience::modules::outbox_admin
