// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_LETTER_QUEUE_HPP
#define RESILIENCE_SRC_OUTBOX_LETTER_QUEUE_HPP

#include "delivery_facts.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

namespace resilience::detail {

/** Dead letters that wait to be shown in the table, with what they were delivered of.
    Pure.

    @par Thread safety
    Unsafe.
*/
class LetterQueue {
public:
    explicit LetterQueue(std::size_t most) : most_(most) {}

    /// Returns how many there was no room for.
    std::size_t add(
        int lane, const SourceIdentity& source, std::span<const DeadLetteredRow> letters
    ) {
        const auto kept = std::min(most_ - letters_.size(), letters.size());
        for (const auto& row : letters.first(kept)) {
            letters_.push_back({lane, source, row});
        }
        return letters.size() - kept;
    }

    struct Batch {
        /// Those of the history that their lane follows.
        std::vector<DeadLetteredRow> rows;
        /// How many are dealt with once these rows are.
        std::size_t taken = 0;
    };

    /// The first ones. In another history other rows have the same numbers (I11).
    Batch first(std::size_t most, const DeliveryFacts& facts) const {
        Batch batch{{}, std::min(letters_.size(), most)};
        for (std::size_t i = 0; i < batch.taken; ++i) {
            const auto& letter = letters_[i];
            if (facts.follows(letter.lane, letter.source)) {
                batch.rows.push_back(letter.row);
            }
        }
        return batch;
    }

    /// Removes the first ones, but for those of these rows, which come last from now on.
    void remove_first(std::size_t count, std::span<const std::int64_t> locked) {
        for (std::size_t i = 0; i < count; ++i) {
            auto letter = std::move(letters_.front());
            letters_.pop_front();
            if (std::ranges::find(locked, letter.row.seq) != locked.end()) {
                letters_.push_back(std::move(letter));
            }
        }
    }

    std::size_t size() const noexcept { return letters_.size(); }
    bool empty() const noexcept { return letters_.empty(); }

private:
    struct Letter {
        int lane;
        SourceIdentity source;
        DeadLetteredRow row;
    };

    std::size_t most_;
    std::deque<Letter> letters_;
};

}  // namespace resilience::detail

#endif
