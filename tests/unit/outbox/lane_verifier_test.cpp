// SPDX-License-Identifier: MIT
#include <resilience/dead_letter.hpp>
#include <resilience/lane_verifier.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace resilience;

// A record as a lane writes it.
struct Written {
    int lane = 0;
    std::uint64_t lane_seq = 0;
    std::string event;
    std::string topic = "t";
    int partition = 0;
    std::string key = "k";
    std::vector<Header> more = {};
};

using Topics = std::vector<Written>;

// Reads the records, those of each partition in their order.
LaneVerdict verify(
    const Topics& topics,
    LaneVerifierOptions options = {},
    const std::map<int, std::uint64_t>& expected = {},
    const std::vector<int>& truncated = {}
) {
    LaneVerifier verifier{options};
    for (const auto& [lane, seq] : expected) verifier.expect(lane, seq);
    for (const int partition : truncated) verifier.truncated("t", partition);
    std::map<std::pair<std::string, int>, std::int64_t> offsets;
    for (const auto& one : topics) {
        std::vector<Header> headers{{"ce_id", one.event}};
        headers.insert(headers.end(), one.more.begin(), one.more.end());
        headers.emplace_back("lane", std::to_string(one.lane));
        headers.emplace_back("lane_seq", std::to_string(one.lane_seq));
        verifier.add(
            {.topic = one.topic,
             .partition = one.partition,
             .offset = offsets[{one.topic, one.partition}]++,
             .key = one.key,
             .headers = headers}
        );
    }
    return verifier.verdict();
}

std::size_t examples_of(const LaneVerdict& verdict, LaneFault fault) {
    return static_cast<std::size_t>(
        std::ranges::count(verdict.examples, fault, &LaneFinding::fault)
    );
}

// What some lanes deliver: each numbers its events, keys stay in lane and partition.
Topics delivered(std::mt19937& random, int events) {
    const auto below = [&](int most) {
        return static_cast<int>(random() % static_cast<unsigned>(most));
    };
    Topics topics;
    std::map<int, std::uint64_t> seqs;
    for (int i = 0; i < events; ++i) {
        const int key = below(20);
        const int lane = key % 3;
        topics.push_back(
            {.lane = lane,
             .lane_seq = ++seqs[lane],
             .event = "e" + std::to_string(i),
             .partition = key % 4,
             .key = std::to_string(key)}
        );
    }
    return topics;
}

// Partitions are read as they come: the order between them is lost.
void mix(std::mt19937& random, Topics& topics) {
    std::map<int, Topics> parts;
    for (auto& one : topics) parts[one.partition].push_back(std::move(one));
    std::vector<int> turns;
    for (const auto& [partition, part] : parts) {
        turns.insert(turns.end(), part.size(), partition);
    }
    std::shuffle(turns.begin(), turns.end(), random);
    std::map<int, std::size_t> next;
    topics.clear();
    for (const int turn : turns) topics.push_back(parts[turn][next[turn]++]);
}

}  // namespace

TEST_CASE("what lanes deliver is good, in whatever order its partitions are read") {
    std::mt19937 random{11};
    for (int round = 0; round < 200; ++round) {
        auto topics = delivered(random, static_cast<int>(random() % 200));
        mix(random, topics);
        const auto verdict = verify(topics);
        CHECK(verdict.is_good());
        CHECK(verdict.records == topics.size());
        CHECK(verdict.examples.empty());
        std::uint64_t sum = 0;
        for (const auto& [lane, tally] : verdict.lanes) {
            CHECK(tally.first == 1);
            CHECK(tally.last == tally.records);
            sum += tally.records;
        }
        CHECK(sum == topics.size());
    }
}

TEST_CASE("records that are not there are missing, each one") {
    std::mt19937 random{12};
    for (int round = 0; round < 200; ++round) {
        auto topics = delivered(random, 100);
        std::map<int, std::uint64_t> expected;
        for (const auto& one : topics) expected[one.lane] = one.lane_seq;
        const auto lost = 1 + random() % 20;
        for (unsigned i = 0; i < lost; ++i) {
            const auto at = static_cast<std::ptrdiff_t>(random() % topics.size());
            topics.erase(topics.begin() + at);
        }
        mix(random, topics);
        const auto verdict = verify(topics, {}, expected);
        CHECK(verdict.missing == lost);
        CHECK(verdict.duplicates + verdict.inversions + verdict.foreign == 0);
        CHECK_FALSE(verdict.is_good());
        CHECK(examples_of(verdict, LaneFault::gap) > 0);
        std::uint64_t in_gaps = 0;
        auto all = verify(topics, {.examples = 100}, expected).examples;
        for (const auto& gap : all) in_gaps += gap.last - gap.lane_seq + 1;
        CHECK(in_gaps == lost);
    }
}

TEST_CASE("a record that comes twice is a duplicate, and nothing else") {
    std::mt19937 random{13};
    for (int round = 0; round < 200; ++round) {
        auto topics = delivered(random, 100);
        const auto at = static_cast<std::ptrdiff_t>(random() % topics.size());
        const auto to =
            at + 1 + static_cast<std::ptrdiff_t>(random() % (topics.size() - at));
        auto copy = topics[static_cast<std::size_t>(at)];
        // The same event under another number is no less one.
        const bool renumbered = round % 2 == 0;
        if (renumbered) {
            std::uint64_t last = 0;
            for (const auto& one : topics) {
                if (one.lane == copy.lane) last = std::max(last, one.lane_seq);
            }
            copy.lane_seq = last + 1;
            topics.push_back(copy);
        } else {
            if (round % 4 == 1) copy.event = "another";
            topics.insert(topics.begin() + to, copy);
        }
        const auto verdict = verify(topics);
        CHECK(verdict.duplicates == 1);
        CHECK(verdict.missing + verdict.inversions + verdict.foreign == 0);
        CHECK(examples_of(verdict, LaneFault::duplicate) == 1);
    }
}

TEST_CASE("two records that changed places are an inversion, and of their key one too") {
    std::mt19937 random{14};
    int same_key = 0;
    for (int round = 0; round < 200; ++round) {
        auto topics = delivered(random, 100);
        // The next one of the lane in the partition.
        const auto first = random() % 50;
        auto second = first + 1;
        while (second < topics.size() &&
               (topics[second].lane != topics[first].lane ||
                topics[second].partition != topics[first].partition)) {
            ++second;
        }
        if (second == topics.size()) continue;
        std::swap(topics[first], topics[second]);
        const bool is_same_key = topics[first].key == topics[second].key;
        const auto verdict = verify(topics);
        CHECK(verdict.inversions == 1);
        CHECK(verdict.key_inversions == (is_same_key ? 1 : 0));
        CHECK(verdict.missing + verdict.duplicates + verdict.foreign == 0);
        same_key += is_same_key;
    }
    CHECK(same_key > 0);
    CHECK(same_key < 200);
}

TEST_CASE("a record that no lane wrote is foreign") {
    const std::vector<std::vector<Header>> foreign{
        {},
        {{"lane", "0"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane", "0"}},
        {{"ce_id", ""}, {"lane", "0"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane", "64"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane", "-1"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane", "0x"}, {"lane_seq", "2"}},
        {{"ce_id", "x"}, {"lane", "0"}, {"lane_seq", "0"}},
        {{"ce_id", "x"}, {"lane", "0"}, {"lane_seq", "18446744073709551615"}}};
    for (const auto& headers : foreign) {
        LaneVerifier verifier;
        verifier.add({.topic = "t", .partition = 3, .offset = 9, .headers = headers});
        const auto verdict = verifier.verdict();
        CHECK(verdict.foreign == 1);
        CHECK(verdict.missing == 0);
        REQUIRE(verdict.examples.size() == 1);
        CHECK(verdict.examples[0].fault == LaneFault::foreign);
        CHECK(verdict.examples[0].topic == "t");
        CHECK(verdict.examples[0].partition == 3);
        CHECK(verdict.examples[0].offset == 9);
    }
}

TEST_CASE("a dead letter takes its event's place, and neither may come beside the other"
) {
    const std::vector<Header> dead{{std::string{dead_letter_seq_header}, "7"}};
    const Written letter{.lane_seq = 2, .event = "b", .topic = "t.dlq", .more = dead};
    const Topics topics{
        {.lane_seq = 1, .event = "a"}, letter, {.lane_seq = 3, .event = "c"}};
    const auto verdict = verify(topics);
    CHECK(verdict.is_good());
    CHECK(verdict.dead_letters == 1);
    auto both = topics;
    both.push_back({.lane_seq = 4, .event = "b"});
    CHECK(verify(both).duplicates == 1);
    auto twice = topics;
    twice.push_back(letter);
    twice.back().lane_seq = 4;
    CHECK(verify(twice).duplicates == 1);
}

TEST_CASE("a dead letter may be replayed once, where it has no number") {
    const Topics topics{
        {.lane_seq = 1,
         .event = "a",
         .topic = "t.dlq",
         .more = {{std::string{dead_letter_seq_header}, "7"}}},
        {.event = "a", .more = {{std::string{replayed_header}, "t.dlq/0/0"}}}};
    CHECK(verify(topics).is_good());
    CHECK(verify(topics).replayed == 1);
    auto twice = topics;
    twice.push_back(twice.back());
    CHECK(verify(twice).duplicates == 1);
}

TEST_CASE("a parked event takes its event's place, and may be replayed once") {
    const Topics topics{
        {.lane_seq = 1, .event = "a"},
        {.lane_seq = 2,
         .event = "b",
         .topic = "t.parked",
         .more =
             {{std::string{dead_letter_seq_header}, "7"},
              {std::string{parked_since_header}, "2"}}},
        {.event = "b", .more = {{std::string{replayed_header}, "t.parked/0/0"}}}};
    const auto verdict = verify(topics);
    CHECK(verdict.is_good());
    CHECK(verdict.parked == 1);
    CHECK(verdict.dead_letters == 0);
    auto both = topics;
    both.back() = {.lane_seq = 3, .event = "b"};
    CHECK(verify(both).duplicates == 1);
}

TEST_CASE("what was delivered again in the place of a missing one is told") {
    const auto verdict =
        verify({{.lane_seq = 1, .event = "a", .more = {{"resilience-redelivered", "1"}}}}
        );
    CHECK(verdict.is_good());
    CHECK(verdict.redelivered == 1);
}

TEST_CASE("numbers that may have been removed by age are not taken for missing") {
    // Partition 1 has lost its first records, which were 1, 3 and 5 perhaps.
    const Topics topics{
        {.lane_seq = 2, .event = "b"},
        {.lane_seq = 4, .event = "d"},
        {.lane_seq = 6, .event = "f", .partition = 1},
        {.lane_seq = 8, .event = "h", .partition = 1}};
    auto verdict = verify(topics, {}, {}, {1});
    CHECK(verdict.missing == 1);
    CHECK(verdict.lanes.at(0).removed == 3);
    // Of a partition with nothing left nobody knows.
    verdict = verify(topics, {}, {}, {1, 2});
    CHECK(verdict.missing == 0);
    CHECK(verdict.lanes.at(0).removed == 4);
    CHECK(verify(topics).missing == 4);
    // Read from a later record on, a lane begins with what comes first.
    CHECK(verify(topics, {.from_first = false}).missing == 3);
}

TEST_CASE("what a position says that was committed must be there") {
    const Topics topics{{.lane_seq = 1, .event = "a"}};
    CHECK(verify(topics, {}, {{0, 1}}).is_good());
    CHECK(verify(topics, {}, {{0, 3}}).missing == 2);
    CHECK(verify(topics, {}, {{0, 1}, {5, 2}}).missing == 2);
    CHECK(verify({}, {}, {{5, 0}}).is_good());
}

TEST_CASE("memory is bounded, and what was not judged is told") {
    Topics topics;
    for (std::uint64_t i = 1; i <= 40; ++i) {
        topics.push_back({.lane_seq = i, .event = std::to_string(i)});
    }
    auto again = topics;
    again.push_back(topics.front());
    CHECK(verify(topics, {.most_ids = 40}).is_good());
    const auto forgot = verify(again, {.most_ids = 10});
    // Its number tells.
    CHECK(forgot.duplicates == 1);
    CHECK(forgot.forgotten == 31);
    CHECK_FALSE(forgot.is_good());
    // Two pages, of which one has room.
    auto far = topics;
    far.push_back({.lane_seq = 1'000'000, .event = "far"});
    const auto full = verify(far, {.most_bytes = 4096});
    CHECK(full.unjudged == 1);
    CHECK_FALSE(full.is_good());
    const auto judged = verify(far, {.most_bytes = 8192});
    CHECK(judged.unjudged == 0);
    CHECK(judged.missing == 999'959);
    CHECK(judged.examples.size() == 1);
}

TEST_CASE("numbers without gaps cost no memory, however many") {
    LaneVerifier verifier{{.most_ids = 10, .most_bytes = 4096}};
    std::vector<Header> headers{{"ce_id", ""}, {"lane", "1"}, {"lane_seq", ""}};
    for (int i = 1; i <= 200'000; ++i) {
        headers[0].second = std::to_string(i);
        headers[2].second = headers[0].second;
        verifier.add({.topic = "t", .partition = 0, .offset = i, .headers = headers});
    }
    const auto verdict = verifier.verdict();
    CHECK(verdict.unjudged == 0);
    CHECK(verdict.missing == 0);
    CHECK(verdict.lanes.at(1).last == 200'000);
    headers[0].second = "again";
    headers[2].second = "77";
    verifier.add({.topic = "t", .partition = 0, .offset = 0, .headers = headers});
    CHECK(verifier.verdict().duplicates == 1);
}

TEST_CASE("keys that find no room are judged with their partitions") {
    const Topics topics{
        {.lane_seq = 1, .event = "a", .key = "x"},
        {.lane_seq = 3, .event = "c", .key = "y"},
        {.lane_seq = 2, .event = "b", .key = "y"}};
    CHECK(verify(topics).key_inversions == 1);
    const auto verdict = verify(topics, {.most_keys = 1});
    CHECK(verdict.inversions == 1);
    CHECK(verdict.key_inversions == 0);
    // The same key elsewhere is another one's.
    auto apart = topics;
    apart[2].topic = "other";
    CHECK(verify(apart).inversions == 0);
}

TEST_CASE("examples are few, and say where") {
    Topics topics;
    for (std::uint64_t i = 1; i <= 30; ++i) {
        topics.push_back({.lane_seq = 2 * i, .event = std::to_string(i)});
    }
    const auto verdict = verify(topics, {.examples = 3});
    REQUIRE(verdict.examples.size() == 3);
    CHECK(verdict.missing == 30);
    CHECK(verdict.examples[0].lane_seq == 1);
    CHECK(verdict.examples[0].last == 1);
    CHECK(verdict.examples[2].lane_seq == 5);
    CHECK(name_of(LaneFault::gap) == "gap");
    CHECK(name_of(LaneFault::key_inversion) == "key_inversion");
}

TEST_CASE("an option of a verifier that is out of range is named") {
    CHECK_THROWS_WITH_AS(
        LaneVerifier({.most_ids = 0}),
        doctest::Contains("most_ids"),
        std::invalid_argument
    );
    CHECK_THROWS_WITH_AS(
        LaneVerifier({.most_bytes = 4095}),
        doctest::Contains("most_bytes"),
        std::invalid_argument
    );
}
