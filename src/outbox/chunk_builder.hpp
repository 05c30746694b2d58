// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_CHUNK_BUILDER_HPP
#define RESILIENCE_SRC_OUTBOX_CHUNK_BUILDER_HPP

#include <resilience/detail/poison_law.hpp>
#include <resilience/lane_relay.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resilience::detail {

/** Makes chunks of rows, and remembers which of them a destination refused.

    What it remembers changes how rows are delivered, never which or in what order. Which
    keys are parked it does not remember: that is told by the position.
*/
class ChunkBuilder {
public:
    struct Built {
        std::vector<WindowEvent> events;
        std::vector<DeadLettered> dead_letters;
        /// The keys that are parked behind them.
        std::vector<ParkedKey> parked;
        /// It ends before the last of the rows.
        bool is_cut = false;
    };

    explicit ChunkBuilder(const LaneRelayOptions& options);

    /** Puts the next chunk together.

        @param from The position that it follows.

        @par Errors
        The first row has a defect, and the lane is to halt for it, or would park one key
        too many.
    */
    Result<Built> build(std::vector<WindowEvent> rows, const LanePosition& from) const;

    /// Takes note of the refusals of a chunk as it was built. Whether it would be built
    /// differently now.
    bool learn(
        const std::vector<WindowEvent>& events,
        const std::vector<DeadLettered>& dead_letters,
        const std::vector<LaneRefusal>& refusals
    );

    /// The lane has gone on; what was remembered lies behind.
    void forget(const std::vector<WindowEvent>& delivered);
    void forget();

private:
    // Why the row is not delivered as it is.
    std::optional<Failure> find_fault(const WindowEvent& row) const;

    PoisonRules rules_;
    std::string dead_letter_suffix_;
    std::string park_suffix_;
    /// Rows that only their dead letters are left of.
    std::map<std::int64_t, Failure> condemned_;
    /// A chunk ends before this row, unless it is the first: it is refused, but not what
    /// comes before it.
    std::optional<std::int64_t> refused_;
};

/// Whether the rows of a slice were certainly the last of its window.
bool ends_window(const std::vector<WindowEvent>& rows, const WindowSlice& asked);

/// The parkings that are left after the words: those end that a word names, and of which
/// it knows all events (LaneRelayOptions::find_unparks). Pure.
std::vector<ParkedKey> without_unparked(
    std::vector<ParkedKey> parked, std::span<const ParkedKey> words
);

}  // namespace resilience::detail

#endif
