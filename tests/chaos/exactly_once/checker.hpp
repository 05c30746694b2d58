// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_CHECKER_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_CHECKER_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience::e2e {

/// A committed row of the outbox: the `n`-th event of its key.
struct Written {
    std::string id;
    std::string key;
    std::int64_t n = 0;
    int lane = 0;
};

/// A message as a consumer with `read_committed` got it.
struct Delivered {
    std::string id;
    std::string key;
    std::int64_t n = 0;
    int lane = -1;
    std::int64_t lane_seq = 0;
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
};

/// What is wrong with what was delivered; each a number of events.
struct Verdict {
    /// Committed rows.
    std::size_t events = 0;
    /// Rows that were not delivered.
    std::size_t lost = 0;
    /// Deliveries of a row beyond the first.
    std::size_t duplicates = 0;
    /// Deliveries of no row.
    std::size_t phantoms = 0;
    /// Deliveries that are not the successor of the last one of their key.
    std::size_t inversions = 0;
    /// Numbers of a lane that are missing, given twice, or not ascending in a partition,
    /// and deliveries by another lane than the row's.
    std::size_t lane_faults = 0;
    /// Offsets between the last stable one and the high watermark, of all partitions.
    std::int64_t undecided = 0;

    bool is_clean() const;
    /// `events 12, duplicates 0, ...` in one line.
    std::string text() const;
};

/** Holds what was delivered against what was committed.

    @param delivered In the order of the offsets within each partition. The events of a
        key may be in several topics: then their numbers of the lane tell their order.
*/
Verdict judge(
    const std::vector<Written>& written,
    const std::vector<Delivered>& delivered,
    std::int64_t undecided = 0
);

}  // namespace resilience::e2e

#endif
