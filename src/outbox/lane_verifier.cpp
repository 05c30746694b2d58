// SPDX-License-Identifier: MIT
#include <resilience/lane_verifier.hpp>

#include <resilience/dead_letter.hpp>

#include "number_set.hpp"
#include "recent_set.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace resilience {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t most_number = std::numeric_limits<std::int64_t>::max();
constexpr int most_lanes = 64;

// FNV-1a, finished so that all bits depend on all.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    std::uint64_t hash = 0xcbf29ce484222325ULL ^ (seed * 0x9e3779b97f4a7c15ULL);
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    return hash ^ (hash >> 33);
}

std::optional<std::string_view> last_header(
    std::span<const Header> headers, std::string_view name
) {
    std::optional<std::string_view> found;
    for (const auto& [key, value] : headers) {
        if (key == name) found = value;
    }
    return found;
}

template <class Number>
std::optional<Number> number_in(std::optional<std::string_view> text) {
    Number number{};
    if (!text || text->empty()) return std::nullopt;
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
    return number;
}

// How an event came to be in a topic.
enum class Way : std::uint8_t { delivered, dead_letter, replayed };

// What of a record is judged.
struct Place {
    int lane = 0;
    std::uint64_t lane_seq = 0;
    std::string_view event;
    Way way = Way::delivered;
};

}  // namespace

std::string_view name_of(LaneFault fault) noexcept {
    switch (fault) {
        case LaneFault::gap:
            return "gap";
        case LaneFault::duplicate:
            return "duplicate";
        case LaneFault::inversion:
            return "inversion";
        case LaneFault::key_inversion:
            return "key_inversion";
        case LaneFault::foreign:
            return "foreign";
    }
    return "unknown";
}

struct LaneVerifier::Impl {
    struct Lane {
        explicit Lane(PageBudget& budget) : seen(budget) {}
        NumberSet seen;
        std::uint64_t records = 0;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        std::uint64_t expected = 0;
    };
    struct Partition {
        bool is_truncated = false;
        // By lane: the first number, and the highest.
        std::map<int, std::pair<std::uint64_t, std::uint64_t>> numbers;
    };

    explicit Impl(LaneVerifierOptions o)
        : options(o),
          ids(o.most_ids),
          budget{.most = o.most_bytes / NumberSet::page_bytes} {}

    Lane& lane(int number) { return lanes.try_emplace(number, budget).first->second; }

    Partition& partition(std::string_view topic, std::int32_t number) {
        const auto found = partitions.find(topic);
        if (found != partitions.end()) return found->second[number];
        return partitions[std::string{topic}][number];
    }

    void note(LaneFault fault, const LaneRecord& record, const Place& place) {
        auto& kept = examples[fault];
        if (kept.size() >= options.examples) return;
        kept.push_back(
            {.fault = fault,
             .lane = fault == LaneFault::foreign ? -1 : place.lane,
             .lane_seq = place.lane_seq,
             .topic = std::string{record.topic},
             .partition = record.partition,
             .offset = record.offset,
             .event = std::string{place.event}}
        );
    }

    std::optional<Place> place_of(const LaneRecord& record) const {
        Place place;
        const auto event = last_header(record.headers, "ce_id");
        if (!event || event->empty()) return std::nullopt;
        place.event = *event;
        if (last_header(record.headers, replayed_header)) {
            place.way = Way::replayed;
            return place;
        }
        if (last_header(record.headers, dead_letter_seq_header)) {
            place.way = Way::dead_letter;
        }
        const auto in = number_in<int>(last_header(record.headers, "lane"));
        const auto at = number_in<std::uint64_t>(last_header(record.headers, "lane_seq"));
        if (!in || *in < 0 || *in >= most_lanes || !at || *at == 0 || *at > most_number) {
            return std::nullopt;
        }
        place.lane = *in;
        place.lane_seq = *at;
        return place;
    }

    // An event is delivered or dead-lettered, once; from a dead letter it may be
    // replayed, once.
    bool repeats(const Place& place) {
        const auto key = [&](Way way) {
            return hash_of(place.event, static_cast<std::uint64_t>(way));
        };
        bool found = ids.contains(key(Way::delivered)) || ids.contains(key(place.way));
        if (place.way == Way::delivered) {
            found = found || ids.contains(key(Way::dead_letter)) ||
                    ids.contains(key(Way::replayed));
        }
        if (ids.add(key(place.way))) ++counts.forgotten;
        return found;
    }

    void judge_order(const LaneRecord& record, const Place& place, bool again) {
        auto& numbers = partition(record.topic, record.partition).numbers;
        const auto [found, fresh] =
            numbers.try_emplace(place.lane, place.lane_seq, place.lane_seq);
        auto& highest = found->second.second;
        const bool inverted = place.lane_seq < highest;
        highest = std::max(highest, place.lane_seq);
        const bool key_inverted = follow_key(record, place);
        // What is there twice is out of order as well, and told once.
        if (again || !inverted) return;
        ++counts.inversions;
        note(LaneFault::inversion, record, place);
        if (!key_inverted) return;
        ++counts.key_inversions;
        note(LaneFault::key_inversion, record, place);
    }

    bool follow_key(const LaneRecord& record, const Place& place) {
        const auto in = (static_cast<std::uint64_t>(place.lane) << 32) |
                        static_cast<std::uint32_t>(record.partition);
        const auto hash = hash_of(record.key, hash_of(record.topic, in));
        const auto known = keys.find(hash);
        if (known == keys.end()) {
            if (keys.size() < options.most_keys) keys.emplace(hash, place.lane_seq);
            return false;
        }
        const bool inverted = place.lane_seq < known->second;
        known->second = std::max(known->second, place.lane_seq);
        return inverted;
    }

    // The first number that is asked for.
    std::uint64_t lowest_of(const Lane& lane) const {
        return options.from_first ? 1 : std::max<std::uint64_t>(lane.first, 1);
    }

    // Below it, what is not there may have been removed.
    std::uint64_t floor_of(int number, const Lane& lane) const {
        auto floor = lowest_of(lane);
        for (const auto& [topic, numbered] : partitions) {
            for (const auto& [partition, one] : numbered) {
                if (!one.is_truncated) continue;
                const auto first = one.numbers.find(number);
                const bool none = first == one.numbers.end();
                floor = std::max(floor, none ? never : first->second.first);
            }
        }
        return floor;
    }

    LaneVerifierOptions options;
    RecentSet ids;
    PageBudget budget;
    std::map<int, Lane> lanes;
    std::map<std::string, std::map<std::int32_t, Partition>, std::less<>> partitions;
    std::unordered_map<std::uint64_t, std::uint64_t> keys;
    std::map<LaneFault, std::vector<LaneFinding>> examples;
    // Of what is counted as it comes.
    LaneVerdict counts;
};

LaneVerifier::LaneVerifier(LaneVerifierOptions options) {
    if (options.most_ids < 1) {
        throw std::invalid_argument("most_ids: must be at least 1");
    }
    if (options.most_bytes < NumberSet::page_bytes) {
        throw std::invalid_argument("most_bytes: must be at least 4 KiB");
    }
    impl_ = std::make_unique<Impl>(options);
}

LaneVerifier::~LaneVerifier() = default;
LaneVerifier::LaneVerifier(LaneVerifier&&) noexcept = default;
LaneVerifier& LaneVerifier::operator=(LaneVerifier&&) noexcept = default;

void LaneVerifier::truncated(std::string_view topic, std::int32_t partition) {
    impl_->partition(topic, partition).is_truncated = true;
}

void LaneVerifier::expect(int lane, std::uint64_t lane_seq) {
    auto& known = impl_->lane(lane).expected;
    known = std::max(known, lane_seq);
}

void LaneVerifier::add(const LaneRecord& record) {
    auto& counts = impl_->counts;
    ++counts.records;
    const auto place = impl_->place_of(record);
    if (!place) {
        ++counts.foreign;
        impl_->note(LaneFault::foreign, record, {});
        return;
    }
    if (place->way == Way::dead_letter) {
        const bool is_parked =
            last_header(record.headers, parked_since_header).has_value();
        ++(is_parked ? counts.parked : counts.dead_letters);
    }
    bool again = impl_->repeats(*place);
    if (place->way == Way::replayed) {
        ++counts.replayed;
    } else {
        if (last_header(record.headers, redelivered_header)) ++counts.redelivered;
        auto& lane = impl_->lane(place->lane);
        const auto added = lane.seen.add(place->lane_seq);
        if (added == NumberSet::Added::no_room) ++counts.unjudged;
        again = again || added == NumberSet::Added::again;
        ++lane.records;
        lane.first =
            lane.first == 0 ? place->lane_seq : std::min(lane.first, place->lane_seq);
        lane.last = std::max(lane.last, place->lane_seq);
        impl_->judge_order(record, *place, again);
    }
    if (again) {
        ++counts.duplicates;
        impl_->note(LaneFault::duplicate, record, *place);
    }
}

LaneVerdict LaneVerifier::verdict() const {
    auto verdict = impl_->counts;
    std::vector<LaneFinding> gaps;
    for (const auto& [number, lane] : impl_->lanes) {
        auto& tally = verdict.lanes[number];
        tally.records = lane.records;
        tally.first = lane.first;
        tally.last = lane.last;
        // Numbers that found no room would be taken for missing.
        if (verdict.unjudged > 0) continue;
        const auto last = std::max(lane.last, lane.expected);
        const auto floor = impl_->floor_of(number, lane);
        const auto lowest = impl_->lowest_of(lane);
        const int of = number;
        lane.seen.each_gap(lowest, last, [&](std::uint64_t from, std::uint64_t to) {
            if (from < floor) {
                const auto end = std::min(to, floor - 1);
                tally.removed += end - from + 1;
                if (end == to) return;
                from = floor;
            }
            tally.missing += to - from + 1;
            if (gaps.size() < impl_->options.examples) {
                gaps.push_back(
                    {.fault = LaneFault::gap, .lane = of, .lane_seq = from, .last = to}
                );
            }
        });
        verdict.missing += tally.missing;
    }
    verdict.examples = std::move(gaps);
    for (const auto& [fault, some] : impl_->examples) {
        verdict.examples.insert(verdict.examples.end(), some.begin(), some.end());
    }
    return verdict;
}

}  // namespace resilience
