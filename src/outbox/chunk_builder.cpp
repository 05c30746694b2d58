// SPDX-License-Identifier: MIT
#include "chunk_builder.hpp"

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

ChunkBuilder::ChunkBuilder(PoisonPolicy policy, std::string suffix)
    : policy_(policy), suffix_(std::move(suffix)) {}

Result<ChunkBuilder::Built> ChunkBuilder::build(std::vector<WindowEvent> rows) const {
    Built built;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& row = rows[i];
        auto why = find_defect(row);
        if (const auto at = condemned_.find(row.seq); at != condemned_.end()) {
            why = at->second;
        }
        const bool halts = why && policy_ == PoisonPolicy::halt_lane;
        if (halts && i == 0) return named(row, std::move(*why));
        if (i > 0 && (halts || (refused_ && row.seq >= *refused_))) {
            rows.resize(i);
            built.is_cut = true;
            break;
        }
        if (!why) continue;
        row.event = dead_letter(row, *why, suffix_);
        row.defect.clear();
        built.dead_letters.push_back({i, std::move(*why)});
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
        const auto seq = events[refusal.event].seq;
        const bool is_dead = std::ranges::any_of(dead_letters, [&](const auto& letter) {
            return letter.event == refusal.event;
        });
        if (policy_ == PoisonPolicy::dlq && !is_dead && blames_content(refusal.failure)) {
            learnt |= condemned_.emplace(seq, refusal.failure).second;
        } else if (refusal.event > 0 && (!refused_ || seq < *refused_)) {
            refused_ = seq;
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

}  // namespace resilience::detail
