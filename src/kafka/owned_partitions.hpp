// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_OWNED_PARTITIONS_HPP
#define RESILIENCE_SRC_KAFKA_OWNED_PARTITIONS_HPP

#include <resilience/kafka/consumer.hpp>
#include <resilience/kafka/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace resilience::kafka::detail {

/** What of each partition was handed out and committed since it is a consumer's own.
    Pure.

    It starts anew whenever the partition comes: what was handed out before another member
    had it must not be committed over what that member did.
*/
class OwnedPartitions {
public:
    /// What a commit of an offset comes to.
    enum class Claim : std::uint8_t {
        /// It is to be sent.
        due,
        /// It is not behind what was committed.
        done,
        /// The partition is not owned, or the records were not handed out since it is.
        refused
    };

    void add(const TopicPartition& partition) {
        places_.insert_or_assign(partition, Place{});
    }
    void remove(const TopicPartition& partition) { places_.erase(partition); }
    void clear() { places_.clear(); }

    bool owns(const TopicPartition& partition) const {
        return places_.contains(partition);
    }
    std::size_t size() const noexcept { return places_.size(); }

    /// REQUIRES: the partition is owned.
    void handed_out(const TopicPartition& partition, std::int64_t offset) {
        auto& place = places_.at(partition);
        if (place.next == nowhere) place.committed = offset;
        place.next = offset + 1;
    }

    Claim claim(const NextOffset& offset) const {
        const auto found = places_.find(offset.partition);
        if (found == places_.end() || offset.next > found->second.next) {
            return Claim::refused;
        }
        return offset.next > found->second.committed ? Claim::due : Claim::done;
    }

    void committed(const NextOffset& offset) {
        const auto found = places_.find(offset.partition);
        if (found == places_.end()) return;
        found->second.committed = std::max(found->second.committed, offset.next);
    }

    /// Where to begin again, in partitions of which not all was committed.
    std::vector<NextOffset> uncommitted() const {
        std::vector<NextOffset> list;
        for (const auto& [partition, place] : places_) {
            if (place.committed < place.next) {
                list.push_back({partition, place.committed});
            }
        }
        return list;
    }

    /// It begins again where it was committed.
    void rewound(const TopicPartition& partition) {
        const auto found = places_.find(partition);
        if (found != places_.end()) found->second.next = found->second.committed;
    }

private:
    static constexpr std::int64_t nowhere = -1;

    struct Place {
        // What is handed out next; nowhere before the first record.
        std::int64_t next = nowhere;
        // Behind it nothing is committed. Nothing before the first record was handed out
        // in vain: that is where the group had come to.
        std::int64_t committed = nowhere;
    };

    std::map<TopicPartition, Place> places_;
};

}  // namespace resilience::kafka::detail

#endif
