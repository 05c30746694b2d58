// SPDX-License-Identifier: MIT
#include "chunk_builder.hpp"

#include <resilience/detail/aside_event.hpp>
#include <resilience/detail/chunk_law.hpp>
#include <resilience/detail/lane_fault.hpp>

#include <algorithm>
#include <utility>

namespace resilience::detail {
namespace {

Failure named(const WindowEvent& row, Failure failure) {
    failure.detail = "event " + row.event.id + ", seq " + std::to_string(row.seq) + ": " +
                     failure.detail;
    return failure;
}

}  // namespace

ChunkBuilder::ChunkBuilder(const LaneRelayOptions& options)
    : rules_{
          .policy = options.poison,
          .topics = options.topic_poison,
          .most_parked = options.max_parked},
      dead_letter_suffix_(options.dead_letter_suffix),
      park_suffix_(options.park_suffix) {}

std::optional<Failure> ChunkBuilder::find_fault(const WindowEvent& row) const {
    if (const auto at = condemned_.find(row.seq); at != condemned_.end()) {
        return at->second;
    }
    return find_defect(row);
}

Result<ChunkBuilder::Built> ChunkBuilder::build(
    std::vector<WindowEvent> rows, const LanePosition& from
) const {
    Built built;
    built.parked = from.parked;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& row = rows[i];
        auto why = find_fault(row);
        auto fate = fate_of(row.event, why.has_value(), rules_, built.parked);
        if (fate.halts && i == 0) {
            if (fate.is_full) why->detail += " (and max_parked keys are parked already)";
            return named(row, std::move(*why));
        }
        if (i > 0 && (fate.halts || (refused_ && row.seq >= *refused_))) {
            rows.resize(i);
            built.is_cut = true;
            break;
        }
        if (!why && !fate.parking) continue;
        const bool is_behind = !why;
        if (is_behind) why = key_is_parked();
        if (fate.begins) {
            fate.parking = begin_parking(built.parked, row.event, from.lane_seq + i);
        }
        put_aside(row, *why, fate, dead_letter_suffix_, park_suffix_);
        built.dead_letters.push_back({i, std::move(*why), is_behind});
    }
    built.events = std::move(rows);
    return built;
}

bool ChunkBuilder::learn(
    const std::vector<WindowEvent>& events,
    const std::vector<DeadLettered>& dead_letters,
    const std::vector<LaneRefusal>& refusals
) {
    bool learnt = false;
    for (const auto& refusal : refusals) {
        if (refusal.event >= events.size()) continue;
        const auto& row = events[refusal.event];
        const auto letter = std::ranges::find_if(dead_letters, [&](const auto& one) {
            return one.event == refusal.event;
        });
        // A dead letter that is refused has nothing left to take its place.
        const bool replaceable =
            letter == dead_letters.end()
                ? rules_.of(row.event.topic) != PoisonPolicy::halt_lane
                : letter->is_behind;
        if (replaceable && blames_content(refusal.failure)) {
            learnt |= condemned_.emplace(row.seq, refusal.failure).second;
        } else if (refusal.event > 0 && (!refused_ || row.seq < *refused_)) {
            refused_ = row.seq;
            learnt = true;
        }
    }
    return learnt;
}

void ChunkBuilder::forget(const std::vector<WindowEvent>& delivered) {
    for (const auto& row : delivered) {
        condemned_.erase(row.seq);
        if (refused_ == row.seq) refused_.reset();
    }
}

void ChunkBuilder::forget() {
    condemned_.clear();
    refused_.reset();
}

bool ends_window(const std::vector<WindowEvent>& rows, const WindowSlice& asked) {
    std::size_t text = 0;
    for (const auto& row : rows) text += row.event.event_data.size();
    return ends_window(rows.size(), text, asked.limit, asked.bytes);
}

std::vector<ParkedKey> without_unparked(
    std::vector<ParkedKey> parked, std::span<const ParkedKey> words
) {
    std::erase_if(parked, [&](const ParkedKey& one) {
        return std::ranges::count(words, one) > 0;
    });
    return parked;
}

}  // namespace resilience::detail
