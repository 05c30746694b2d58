// SPDX-License-Identifier: MIT
#include <resilience/detail/poison_law.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::detail;

namespace {

Event event_of(const std::string& topic, std::optional<std::string> key) {
    Event event;
    event.topic = topic;
    event.partition_key = std::move(key);
    return event;
}

// The keys k of t and l of u are parked.
struct Lane {
    PoisonFate fate(const Event& event, bool is_refused) {
        return fate_of(event, is_refused, rules, parked);
    }

    PoisonRules rules;
    std::vector<ParkedKey> parked{
        {.topic = "t", .key = "k", .since = 3, .events = 2},
        {.topic = "u", .key = "l", .since = 7, .events = 1}};
};

}  // namespace

TEST_CASE("a parking is that of the topic and the key of an event, and of both alone") {
    Lane lane;
    CHECK(find_parking(lane.parked, event_of("t", "k")) == &lane.parked[0]);
    CHECK(find_parking(lane.parked, event_of("u", "l")) == &lane.parked[1]);
    CHECK(find_parking(lane.parked, event_of("t", "l")) == nullptr);
    CHECK(find_parking(lane.parked, event_of("u", "k")) == nullptr);
    CHECK(find_parking(lane.parked, event_of("t", std::nullopt)) == nullptr);
    // No event without a key follows another one.
    lane.parked.push_back({.topic = "t", .key = "", .since = 9, .events = 1});
    CHECK(find_parking(lane.parked, event_of("t", "")) == nullptr);
    std::vector<ParkedKey> none;
    CHECK(find_parking(none, event_of("t", "k")) == nullptr);
}

TEST_CASE("what nothing is wrong with is delivered, unless its key is parked") {
    for (const auto policy :
         {PoisonPolicy::halt_lane, PoisonPolicy::dlq, PoisonPolicy::park_key}) {
        Lane lane;
        lane.rules.policy = policy;
        const auto goes = lane.fate(event_of("t", "a"), false);
        CHECK(goes.parking == nullptr);
        CHECK_FALSE((goes.begins || goes.is_full || goes.halts || goes.parks));
        // Whatever the policy is by now, and whether it is refused or not.
        for (const bool is_refused : {false, true}) {
            const auto behind = lane.fate(event_of("t", "k"), is_refused);
            CHECK(behind.parking == &lane.parked[0]);
            CHECK(behind.parks);
            CHECK_FALSE((behind.begins || behind.is_full || behind.halts));
        }
    }
}

TEST_CASE("what is refused goes where the policy of its topic says") {
    Lane lane;
    lane.rules = {
        .policy = PoisonPolicy::dlq,
        .topics = {{"p", PoisonPolicy::park_key}, {"h", PoisonPolicy::halt_lane}}};
    const auto letter = lane.fate(event_of("t", "a"), true);
    CHECK_FALSE((letter.begins || letter.is_full || letter.halts || letter.parks));
    const auto halts = lane.fate(event_of("h", "a"), true);
    CHECK(halts.halts);
    CHECK_FALSE((halts.begins || halts.is_full || halts.parks));
    const auto begins = lane.fate(event_of("p", "a"), true);
    CHECK((begins.begins && begins.parks));
    CHECK_FALSE((begins.is_full || begins.halts));
    CHECK(begins.parking == nullptr);
    // One without a key is put aside alone.
    for (const auto& key : {std::optional<std::string>{}, std::optional{std::string{}}}) {
        const auto alone = lane.fate(event_of("p", key), true);
        CHECK(alone.parks);
        CHECK_FALSE((alone.begins || alone.is_full || alone.halts));
    }
}

TEST_CASE("one key more than may be parked halts the lane, and what needs none does not"
) {
    Lane lane;
    lane.rules = {.policy = PoisonPolicy::park_key, .most_parked = 2};
    const auto full = lane.fate(event_of("t", "a"), true);
    CHECK((full.is_full && full.halts));
    CHECK_FALSE(full.begins);
    CHECK_FALSE(lane.fate(event_of("t", "a"), false).halts);
    CHECK_FALSE(lane.fate(event_of("t", "k"), true).halts);
    CHECK_FALSE(lane.fate(event_of("t", std::nullopt), true).halts);
    lane.rules.most_parked = 3;
    CHECK(lane.fate(event_of("t", "a"), true).begins);
}

TEST_CASE("a parking is named by the number that its first event is given") {
    Lane lane;
    auto* const begun = begin_parking(lane.parked, event_of("t", "a"), 11);
    CHECK(begun == &lane.parked.back());
    CHECK(*begun == ParkedKey{.topic = "t", .key = "a", .since = 12, .events = 0});
}
