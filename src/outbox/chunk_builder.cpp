// SPDX-License-Identifier: MIT
#include "chunk_builder.hpp"

#include <resilience/dead_letter.hpp>
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

bool has_key(const Event& event) {
    return event.partition_key && !event.partition_key->empty();
}

// The parking that an event belongs to; null: none.
ParkedKey* find_parked(std::vector<ParkedKey>& parked, const Event& event) {
    if (parked.empty() || !has_key(event)) return nullptr;
    const auto found = std::ranges::find_if(parked, [&](const ParkedKey& one) {
        return one.key == *event.partition_key && one.topic == event.topic;
    });
    return found == parked.end() ? nullptr : &*found;
}

}  // namespace

ChunkBuilder::ChunkBuilder(const LaneRelayOptions& options)
    : policy_(options.poison),
      topic_policies_(options.topic_poison),
      dead_letter_suffix_(options.dead_letter_suffix),
      park_suffix_(options.park_suffix),
      max_parked_(options.max_parked) {}

PoisonPolicy ChunkBuilder::policy_of(std::string_view topic) const {
    const auto own = topic_policies_.find(topic);
    return own == topic_policies_.end() ? policy_ : own->second;
}

std::optional<Failure> ChunkBuilder::find_fault(const WindowEvent& row) const {
    if (const auto at = condemned_.find(row.seq); at != condemned_.end()) {
        return at->second;
    }
    return find_defect(row);
}

void ChunkBuilder::put_aside(Built& built, WindowEvent& row, std::size_t at, Failure why)
    const {
    if (auto* const parked = find_parked(built.parked, row.event)) {
        ++parked->events;
        row.event = parked_event(row, why, park_suffix_, *parked);
    } else {
        const bool parks = policy_of(row.event.topic) == PoisonPolicy::park_key;
        row.event = dead_letter(row, why, parks ? park_suffix_ : dead_letter_suffix_);
    }
    row.defect.clear();
    built.dead_letters.push_back({at, std::move(why)});
}

Result<ChunkBuilder::Built> ChunkBuilder::build(
    std::vector<WindowEvent> rows, const LanePosition& from
) const {
    Built built;
    built.parked = from.parked;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& row = rows[i];
        auto why = find_fault(row);
        const bool is_parked = find_parked(built.parked, row.event) != nullptr;
        const auto policy = policy_of(row.event.topic);
        const bool begins =
            why && !is_parked && policy == PoisonPolicy::park_key && has_key(row.event);
        const bool is_full = begins && built.parked.size() >= max_parked_;
        const bool halts =
            is_full || (why && !is_parked && policy == PoisonPolicy::halt_lane);
        if (halts && i == 0) {
            if (is_full) why->detail += " (and max_parked keys are parked already)";
            return named(row, std::move(*why));
        }
        if (i > 0 && (halts || (refused_ && row.seq >= *refused_))) {
            rows.resize(i);
            built.is_cut = true;
            break;
        }
        if (begins) {
            built.parked.push_back(
                {row.event.topic, *row.event.partition_key, from.lane_seq + i + 1, 0}
            );
        }
        if (why) {
            put_aside(built, row, i, std::move(*why));
        } else if (is_parked) {
            put_aside(built, row, i, fail(Errc::cancelled, "its key is parked"));
            built.dead_letters.back().is_behind = true;
        }
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
                ? policy_of(row.event.topic) != PoisonPolicy::halt_lane
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
    std::vector<ParkedKey> parked, std::span<const UnparkWord> words
) {
    std::erase_if(parked, [&](const ParkedKey& one) {
        return std::ranges::count(words, UnparkWord{one.since, one.events}) > 0;
    });
    return parked;
}

}  // namespace resilience::detail
