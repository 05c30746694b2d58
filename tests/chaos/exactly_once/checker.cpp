// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/checker.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace resilience::e2e {
namespace {

// What is wrong with the numbers of the lanes.
std::size_t count_lane_faults(const std::vector<Delivered>& delivered) {
    std::map<int, std::set<std::int64_t>> numbers;
    std::map<std::tuple<int, std::string, std::int32_t>, std::int64_t> last;
    std::size_t faults = 0;
    for (const auto& one : delivered) {
        if (!numbers[one.lane].insert(one.lane_seq).second) ++faults;
        auto& before = last[{one.lane, one.topic, one.partition}];
        if (one.lane_seq <= before) ++faults;
        before = one.lane_seq;
    }
    for (const auto& [lane, all] : numbers) {
        faults += static_cast<std::size_t>(*all.rbegin()) - all.size();
    }
    return faults;
}

// Deliveries that are not the successor of the last one of their key. The offsets of one
// topic are in order; those of several say nothing, but the numbers of the lane do.
std::size_t count_inversions(const std::vector<Delivered>& delivered) {
    std::unordered_map<std::string, std::vector<const Delivered*>> keys;
    for (const auto& one : delivered) keys[one.key].push_back(&one);
    std::size_t inversions = 0;
    for (auto& [key, all] : keys) {
        const auto is_elsewhere = [&](const auto* one) {
            return one->topic != all.front()->topic;
        };
        if (std::ranges::any_of(all, is_elsewhere)) {
            std::ranges::stable_sort(all, {}, &Delivered::lane_seq);
        }
        std::int64_t before = 0;
        for (const auto* one : all) {
            if (one->n != before + 1) ++inversions;
            before = one->n;
        }
    }
    return inversions;
}

}  // namespace

bool Verdict::is_clean() const {
    return lost + duplicates + phantoms + inversions + lane_faults == 0 && undecided == 0;
}

std::string Verdict::text() const {
    return "events " + std::to_string(events) + ", duplicates " +
           std::to_string(duplicates) + ", lost " + std::to_string(lost) +
           ", inversions " + std::to_string(inversions) + ", phantoms " +
           std::to_string(phantoms) + ", lane_seq faults " + std::to_string(lane_faults) +
           ", undecided offsets " + std::to_string(undecided);
}

Verdict judge(
    const std::vector<Written>& written,
    const std::vector<Delivered>& delivered,
    std::int64_t undecided
) {
    Verdict verdict;
    verdict.events = written.size();
    verdict.undecided = undecided;
    struct Count {
        int lane = 0;
        std::size_t times = 0;
    };
    std::unordered_map<std::string, Count> counts;
    for (const auto& row : written) counts[row.id] = {row.lane, 0};
    for (const auto& one : delivered) {
        const auto found = counts.find(one.id);
        if (found == counts.end()) {
            ++verdict.phantoms;
        } else {
            if (++found->second.times > 1) ++verdict.duplicates;
            if (found->second.lane != one.lane) ++verdict.lane_faults;
        }
    }
    verdict.inversions = count_inversions(delivered);
    for (const auto& [id, count] : counts) verdict.lost += count.times == 0;
    verdict.lane_faults += count_lane_faults(delivered);
    return verdict;
}

}  // namespace resilience::e2e
