// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/redeliver.hpp>

#include <modules/outbox_admin/audit/audit_rows.hpp>

#include <resilience/detail/lane_fault.hpp>
#include <resilience/lane_verifier.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

// One transaction takes so many events, or those that bring it to so many bytes.
constexpr std::size_t chunk_rows = 500;
constexpr std::size_t chunk_bytes = 4 * 1024 * 1024;

std::size_t size_of(const std::vector<WindowEvent>& rows) {
    std::size_t bytes = 0;
    for (const auto& row : rows) bytes += row.event.event_data.size();
    return bytes;
}

}  // namespace

Redelivery::Redelivery(const Tools& tools, WindowSource& source, LaneHold& hold)
    : source_(source),
      hold_(hold),
      poison_{
          .policy = relay::read_poison(tools.request.relay.poison).value(),
          .topics =
              relay::read_poison_topics(tools.request.relay.poison_topics).value()} {}

net::awaitable<Result<bool>> Redelivery::lane(
    int lane,
    std::span<const DueRow> due,
    const std::string& snapshot,
    LanePosition& between,
    Rest rest
) {
    refused_.clear();
    waits_ = false;
    while (!due.empty() && !waits_) {
        std::vector<WindowEvent> rows;
        std::size_t bytes = 0;
        while (!due.empty() && rows.size() < chunk_rows && bytes < chunk_bytes) {
            const auto wanted = due.first(std::min(due.size(), chunk_rows - rows.size()));
            auto read = co_await read_again(source_, snapshot, wanted);
            if (!read) co_return read.error();
            bytes += size_of(*read);
            due = due.subspan(read->size());
            std::ranges::move(*read, std::back_inserter(rows));
        }
        const auto done = co_await deliver(lane, std::move(rows), between, rest);
        if (!done) co_return done.error();
    }
    co_return !waits_;
}

net::awaitable<Result<void>> Redelivery::deliver(
    int lane, std::vector<WindowEvent> rows, LanePosition& between, Rest rest
) {
    std::size_t most = rows.size();
    while (!rows.empty()) {
        const auto parked = between.parked;
        const auto& last = hold_.position(lane);
        const auto count = static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
        auto made = put_aside(
            {rows.begin(), rows.begin() + count},
            refused_,
            poison_,
            last ? last->lane_seq : 0,
            between.parked
        );
        auto taken = count;
        auto& events = made.events;
        if (!made.halting.empty() && rest == Rest::waits) {
            // What comes before it is delivered by itself, and judged by itself.
            taken = static_cast<std::ptrdiff_t>(made.halting.front().at);
            between.parked = parked;
            if (taken > 0) {
                most = made.halting.front().at;
                continue;
            }
            done_.halting.push_back(made.halting.front());
            waits_ = true;
            co_return Result<void>{};
        }
        for (auto& one : events) {
            one.event.headers.emplace_back(std::string{redelivered_header}, "1");
        }
        Result<void> done;
        if (!events.empty()) done = co_await hold_.commit(lane, events, between);
        if (!done) {
            between.parked = parked;
            const auto refusals = hold_.refusals(lane);
            if (learn(done.error(), refusals, events)) continue;
            // It is judged for what several of them are together.
            const bool is_divisible =
                refusals.empty() && detail::blames_content(done.error()) && count > 1;
            if (!is_divisible) co_return done;
            most = static_cast<std::size_t>(count) / 2;
            continue;
        }
        done_.sent += events.size();
        done_.parked += made.parked;
        done_.dead_letters += made.dead_letters;
        std::ranges::copy(made.halting, std::back_inserter(done_.halting));
        rows.erase(rows.begin(), rows.begin() + taken);
    }
    co_return Result<void>{};
}

// Whether the rows would be delivered differently now.
bool Redelivery::learn(
    const Failure& why,
    const std::vector<LaneRefusal>& refusals,
    const std::vector<WindowEvent>& events
) {
    bool is_new = false;
    for (const auto& refusal : refusals) {
        if (refusal.event >= events.size()) continue;
        if (!detail::blames_content(refusal.failure)) continue;
        const auto seq = events[refusal.event].seq;
        is_new |= refused_.emplace(seq, refusal.failure).second;
    }
    if (refusals.empty() && events.size() == 1 && detail::blames_content(why)) {
        is_new = refused_.emplace(events.front().seq, why).second;
    }
    return is_new;
}

}  // namespace resilience::modules::outbox_admin
