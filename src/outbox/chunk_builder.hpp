// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_CHUNK_BUILDER_HPP
#define RESILIENCE_SRC_OUTBOX_CHUNK_BUILDER_HPP

#include <resilience/lane_relay.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace resilience::detail {

/** Makes chunks of rows, and remembers which of them a destination refused.

    What it remembers changes how rows are delivered, never which or in what order.
*/
class ChunkBuilder {
public:
    struct Built {
        std::vector<WindowEvent> events;
        std::vector<DeadLettered> dead_letters;
        /// It ends before the last of the rows.
        bool is_cut = false;
    };

    ChunkBuilder(PoisonPolicy policy, std::string suffix);

    /** Puts the next chunk together.

        @par Errors
        The first row has a defect, and the lane is to halt for it.
    */
    Result<Built> build(std::vector<WindowEvent> rows) const;

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
    PoisonPolicy policy_;
    std::string suffix_;
    /// Rows that only their dead letters are left of.
    std::map<std::int64_t, Failure> condemned_;
    /// A chunk ends before this row, unless it is the first: it is refused, but not what
    /// comes before it.
    std::optional<std::int64_t> refused_;
};

}  // namespace resilience::detail

#endif
