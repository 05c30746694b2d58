// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_SEQ_WALK_HPP
#define RESILIENCE_SRC_OUTBOX_SEQ_WALK_HPP

#include "delivery_facts.hpp"

#include <algorithm>
#include <cstdint>

namespace resilience::detail {

/** Goes through a stretch of rows step by step, past those that the table refuses. Pure.

    @par Thread safety
    Unsafe.
*/
class SeqWalk {
public:
    explicit SeqWalk(const SeqRange& rows) : rest_(rows), to_(rows.to) {}

    /// What is still to be dealt with.
    const SeqRange& rest() const noexcept { return rest_; }
    bool is_done() const noexcept { return rest_.is_empty(); }

    /// The rows that the next statement may touch.
    SeqRange step() const noexcept { return {rest_.after, std::min(rest_.to, to_)}; }

    /// Settles where an open end is.
    void end_at(std::int64_t seq) noexcept { rest_.to = to_ = seq; }

    /// All up to `seq`, which is in the step, is dealt with. Steps that had become narrow
    /// become wider.
    void done_to(std::int64_t seq) noexcept {
        if (to_ < rest_.to) {
            const auto width = to_ - rest_.after;
            to_ = (rest_.to - seq) / 2 > width ? seq + 2 * width : rest_.to;
        }
        rest_.after = seq;
    }

    /// The table refused the step, of which nothing is done: halves it. True: it was one
    /// row, which is passed over.
    bool refused() noexcept {
        const auto rows = step();
        const auto width = rows.to - rows.after;
        if (width > 1) {
            to_ = rows.after + width / 2;
            return false;
        }
        done_to(rows.to);
        return true;
    }

private:
    SeqRange rest_;
    std::int64_t to_;
};

}  // namespace resilience::detail

#endif
