// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_POSITION_HPP
#define RESILIENCE_LANE_POSITION_HPP

#include <resilience/asio/result.hpp>
#include <resilience/poison_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resilience {

/// Which table a position speaks of. Transaction numbers and sequence numbers mean
/// something in one history of one table alone: a restored, promoted or re-created one is
/// another (I11).
struct SourceIdentity {
    /// The database cluster's own number, given when it was made.
    std::uint64_t system_id = 0;
    /// Which of its histories; a promotion begins a new one.
    std::uint32_t timeline = 0;
    /// Number of the database in the cluster.
    std::uint32_t database = 0;
    /// Number of the table in the database.
    std::uint32_t table = 0;

    friend bool operator==(const SourceIdentity&, const SourceIdentity&) = default;
};

/** How far a lane has come: the single truth about what was delivered (I1).

    Delivered are the rows visible in `seen`, and those visible in `window`, not in
    `seen`, whose `seq` is at most `last_seq` (I3). When a window is done, `seen` becomes
    `window` and `last_seq` 0.

    The snapshots are texts of the source, UTF-8 without meaning here.
*/
struct LanePosition {
    /// Where it counts.
    SourceIdentity source;
    /// Snapshot whose rows are all delivered.
    std::string seen;
    /// Snapshot whose rows are being delivered; equal to `seen` between windows.
    std::string window;
    /// Last delivered row of the window; 0: none yet.
    std::int64_t last_seq = 0;
    /// Chunks that this lane has committed, this one included.
    std::uint64_t batch_seq = 0;
    /// Events that this lane has delivered; the last one's `lane_seq`. Gapless from 1.
    std::uint64_t lane_seq = 0;
    /// Which assignment of keys to lanes it was written under.
    std::uint32_t map_version = 0;
    /// Keys that are parked, ascending by `since`.
    std::vector<ParkedKey> parked;

    friend bool operator==(const LanePosition&, const LanePosition&) = default;
};

/// Longest text that @ref decode_lane_position reads, in bytes.
inline constexpr std::size_t longest_lane_position = 1 << 20;

/** Writes a position as one JSON object on one line, with the version of its form first
    and a CRC-32 of all before it last. The version is 1 unless keys are parked, and 2
    then, so that readers of version 1 read what they know the meaning of.

    About 250 bytes, 11 more for each transaction that was in progress, and some 70 and
    the names for each key that is parked.
*/
std::string encode(const LanePosition& position);

/** Reads what @ref encode wrote; never throws, whatever the text.

    @par Errors
    @li Errc::corrupt_data It is something else, has an unknown version, is longer than
        @ref longest_lane_position, or a byte of it was changed or is missing. The detail
        says which.
*/
Result<LanePosition> decode_lane_position(std::string_view text);

}  // namespace resilience

#endif
