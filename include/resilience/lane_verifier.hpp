// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_VERIFIER_HPP
#define RESILIENCE_LANE_VERIFIER_HPP

#include <resilience/event.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resilience {

/// Header of an event that was delivered again because it was missing in its topic.
inline constexpr std::string_view redelivered_header = "resilience-redelivered";
/// Header of an event that was sent from its dead letter, and where that lies:
/// `topic/partition/offset`.
inline constexpr std::string_view replayed_header = "resilience-replayed";

/// Settings of a @ref LaneVerifier.
struct LaneVerifierOptions {
    /// Whether the topics are read from their first record: then each lane must begin
    /// with number 1. Default true.
    bool from_first = true;

    /// Identities that are kept to find one that comes twice; with more, the oldest are
    /// forgotten, and @ref LaneVerdict::forgotten tells. 24 bytes each. At least 1;
    /// default 2,000,000.
    std::size_t most_ids = 2'000'000;

    /// Keys whose order is followed by themselves; those beyond are judged with their
    /// partitions alone. Some 50 bytes each. Default 500,000.
    std::size_t most_keys = 500'000;

    /// Memory for the numbers that were seen, in bytes: one bit for each where numbers
    /// are missing, near nothing where none are. At least 4 KiB; default 64 MiB. What
    /// does not fit is not judged, and @ref LaneVerdict::unjudged tells.
    std::size_t most_bytes = 64 * 1024 * 1024;

    /// Findings of each kind that are kept as examples, the first ones. Default 10.
    std::size_t examples = 10;
};

/// A record of a topic, whose parts outlive the call.
struct LaneRecord {
    std::string_view topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::string_view key;
    std::span<const Header> headers;
};

/// What may be wrong in topics that lanes deliver to.
enum class LaneFault : std::uint8_t {
    /// Numbers of a lane that no record has.
    gap,
    /// A number or an event that was there before.
    duplicate,
    /// A number below that of an earlier record of the lane in the partition.
    inversion,
    /// An inversion between two events of one key.
    key_inversion,
    /// A record that no lane wrote: without a lane, a number or an identity.
    foreign
};

/// `gap`, `duplicate`, `inversion`, `key_inversion`, `foreign`.
std::string_view name_of(LaneFault fault) noexcept;

/// One thing that is wrong.
struct LaneFinding {
    LaneFault fault = LaneFault::gap;
    /// -1: none.
    int lane = -1;
    /// The number, or the first of a gap; 0: none.
    std::uint64_t lane_seq = 0;
    /// The last number of a gap.
    std::uint64_t last = 0;
    /// Where it lies; nowhere, if it is a gap.
    std::string topic;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    std::string event;
};

/// What was found of one lane.
struct LaneTally {
    std::uint64_t records = 0;
    /// Lowest and highest number; 0 without records.
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    /// Numbers that are missing.
    std::uint64_t missing = 0;
    /// Numbers that are not there, but may have been removed from their topics by age.
    std::uint64_t removed = 0;
};

/// What a @ref LaneVerifier found.
struct LaneVerdict {
    std::uint64_t records = 0;
    std::uint64_t dead_letters = 0;
    /// Dead letters of parked keys, which are not counted there.
    std::uint64_t parked = 0;
    std::uint64_t redelivered = 0;
    std::uint64_t replayed = 0;

    std::uint64_t missing = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t inversions = 0;
    std::uint64_t key_inversions = 0;
    std::uint64_t foreign = 0;

    /// Identities that were forgotten, and records whose numbers found no room: what is
    /// not told of these is not known.
    std::uint64_t forgotten = 0;
    std::uint64_t unjudged = 0;

    std::map<int, LaneTally> lanes;
    std::vector<LaneFinding> examples;

    /// Nothing is wrong, and everything was judged.
    bool is_good() const noexcept {
        return missing + duplicates + inversions + foreign + forgotten + unjudged == 0;
    }
};

/** Judges from the topics alone whether lanes delivered each event once and in order.

    Each record carries its lane and a number without gaps; a dead letter or a parked
    event takes its event's place, with its number. What was replayed from a dead letter
   has no number. Records of one partition must be added in its order, those of different
   partitions in any. Pure, and in bounded memory. Events are compared by a hash of 64
   bits of their identities.

    @par Thread safety
    None.
*/
class LaneVerifier {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit LaneVerifier(LaneVerifierOptions options = {});
    ~LaneVerifier();
    LaneVerifier(LaneVerifier&&) noexcept;
    LaneVerifier& operator=(LaneVerifier&&) noexcept;

    /// Says that records were removed from the beginning of a partition by age: lower
    /// numbers than the first of a lane that is seen there need not be missing.
    void truncated(std::string_view topic, std::int32_t partition);

    /// Says that the lane has committed this number: all up to it must be there.
    void expect(int lane, std::uint64_t lane_seq);

    void add(const LaneRecord& record);

    /// What is known so far.
    LaneVerdict verdict() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience

#endif
