// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_DELIVERY_FACTS_HPP
#define RESILIENCE_SRC_OUTBOX_DELIVERY_FACTS_HPP

#include <resilience/delivered_rows.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace resilience::detail {

/// Rows with `after < seq <= to`.
struct SeqRange {
    static constexpr std::int64_t end = std::numeric_limits<std::int64_t>::max();

    std::int64_t after = 0;
    std::int64_t to = 0;

    bool is_empty() const noexcept { return after >= to; }
    /// Whether it goes up to whatever the last row is.
    bool is_open() const noexcept { return to == end; }

    void join(const SeqRange& other) noexcept {
        if (other.is_empty()) return;
        if (is_empty()) {
            *this = other;
            return;
        }
        after = std::min(after, other.after);
        to = std::max(to, other.to);
    }
};

/** What is known of the lanes' deliveries and not yet dealt with: one stretch of rows and
    one position for each lane, however much was delivered. Pure.

    @par Thread safety
    Unsafe.
*/
class DeliveryFacts {
public:
    /// @param whole_windows Rows count once their window is done (I9), not before.
    DeliveryFacts(bool whole_windows, std::size_t max_lanes)
        : whole_windows_(whole_windows), max_lanes_(max_lanes) {}

    /// False: it tells nothing new.
    bool delivered(int lane, const SeqRange& rows, const LanePosition& position) {
        Lane* const known = find(lane);
        if (!known || position.batch_seq <= known->position.batch_seq) return false;
        if (position.batch_seq != known->position.batch_seq + 1) {
            // Chunks were committed that nobody told of.
            return note(*known, everything, position, true);
        }
        return note(*known, rows, position, false);
    }

    bool found(int lane, const LanePosition& position) {
        Lane* const known = find(lane);
        if (!known || (known->is_told && position == known->position)) return false;
        const bool has_delivered = position.batch_seq > 0;
        return note(
            *known, has_delivered ? everything : SeqRange{}, position, has_delivered
        );
    }

    /// Whether a position is earlier than what is known of the lane, or of a lane too
    /// many.
    bool is_late(int lane, const LanePosition& position) const {
        const auto known = lanes_.find(lane);
        return known == lanes_.end() ||
               position.batch_seq < known->second.position.batch_seq;
    }

    /// Whether what is known of the lane is of this history.
    bool follows(int lane, const SourceIdentity& source) const {
        const auto known = lanes_.find(lane);
        return known != lanes_.end() && known->second.position.source == source;
    }

    /// Takes what can be dealt with now; none when there is nothing.
    std::optional<SeqRange> take() {
        if (ready_.is_empty()) return std::nullopt;
        return std::exchange(ready_, SeqRange{});
    }

    /// Takes rows back that are still to be dealt with.
    void again(const SeqRange& rows) { ready_.join(rows); }

    bool has_ready() const noexcept { return !ready_.is_empty(); }

    std::vector<DeliveredLane> lanes() const {
        std::vector<DeliveredLane> all;
        all.reserve(lanes_.size());
        for (const auto& [lane, known] : lanes_) {
            if (known.is_told) all.push_back({lane, known.position});
        }
        return all;
    }

    /// How often it was not known which rows were delivered.
    std::uint64_t recoveries() const noexcept { return recoveries_; }

private:
    static constexpr SeqRange everything{0, SeqRange::end};

    struct Lane {
        bool is_told = false;
        LanePosition position;
        // Rows of windows that are not done.
        SeqRange begun;
    };

    Lane* find(int lane) {
        if (!lanes_.contains(lane) && lanes_.size() >= max_lanes_) return nullptr;
        return &lanes_[lane];
    }

    bool note(
        Lane& lane, const SeqRange& rows, const LanePosition& position, bool unknown
    ) {
        lane.is_told = true;
        lane.position = position;
        if (unknown) {
            ++recoveries_;
            // Those of the windows before can be dealt with now, whatever is to come.
            ready_.join(rows);
        }
        lane.begun.join(rows);
        if (!whole_windows_ || position.seen == position.window) {
            ready_.join(std::exchange(lane.begun, SeqRange{}));
        }
        return true;
    }

    bool whole_windows_;
    std::size_t max_lanes_;
    std::map<int, Lane> lanes_;
    SeqRange ready_;
    std::uint64_t recoveries_ = 0;
};

}  // namespace resilience::detail

#endif
