// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked/parked_letters.hpp>
#include <modules/outbox_admin/parked/parked_writer.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace resilience::modules::outbox_admin;
using kafka::Record;

namespace {

const Parking parking{
    .lane = 2, .parked = {.topic = "t", .key = "k", .since = 7, .events = 4}};

Record record(int number, const std::string& event) {
    return {
        .topic = "t.parked",
        .offset = number,
        .key = "k",
        .value = "0123456789",
        .headers = {
            {"ce_id", event},
            {"dead_letter_topic", "t"},
            {"lane", "2"},
            {"parked_since", "7"},
            {"parked_number", std::to_string(number)}}};
}

std::vector<std::string> names(const std::vector<DeadLetter>& letters) {
    std::vector<std::string> events;
    for (const auto& one : letters) events.push_back(one.event);
    return events;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("parked events are taken in the order of their numbers, whatever they come in"
) {
    ParkedLetters letters{parking, 0, 1000};
    CHECK(letters.add(record(3, "c")).has_value());
    CHECK(letters.take(9, 1000).empty());
    CHECK(letters.next() == 1);
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(2, "b")).has_value());
    CHECK(names(letters.take(2, 1000)) == Names{"a", "b"});
    CHECK(letters.add(record(4, "d")).has_value());
    // The one that reaches the bytes ends them.
    CHECK(names(letters.take(9, 1)) == Names{"c"});
    CHECK(names(letters.take(9, 1000)) == Names{"d"});
    CHECK(letters.next() == 5);
}

TEST_CASE("an event whose content is in its row alone is taken alone") {
    ParkedLetters letters{parking, 0, 10000};
    for (int number = 1; number <= 5; ++number) {
        auto one = record(number, std::string(1, static_cast<char>('a' + number - 1)));
        if (number == 3 || number == 4) {
            one.headers.emplace_back("dead_letter_content", "left out");
        }
        CHECK(letters.add(one).has_value());
    }
    CHECK(names(letters.take(9, 10000)) == Names{"a", "b"});
    CHECK(names(letters.take(9, 10000)) == Names{"c"});
    CHECK(names(letters.take(9, 10000)) == Names{"d"});
    CHECK(names(letters.take(9, 10000)) == Names{"e"});
}

TEST_CASE("after a transaction that has no time or room for its events fewer are tried") {
    CHECK(fewer_letters(fail(Errc::timed_out), false, 500) == 250);
    CHECK(fewer_letters(fail(Errc::queue_full), false, 3) == 1);
    CHECK_FALSE(fewer_letters(fail(Errc::timed_out), false, 1).has_value());
    CHECK(fewer_letters(fail(Errc::too_large), true, 500) == 1);
    CHECK_FALSE(fewer_letters(fail(Errc::too_large), true, 1).has_value());
    for (const auto ends :
         {Errc::timed_out_in_doubt, Errc::fenced, Errc::aborted, Errc::too_large}) {
        CHECK_FALSE(fewer_letters(fail(ends), false, 500).has_value());
    }
}

TEST_CASE("events of another parking, lane, key or topic are no part of it") {
    ParkedLetters letters{parking, 0, 1000};
    for (const int header : {1, 2, 3, 4}) {
        auto other = record(1, "a");
        other.headers.at(static_cast<std::size_t>(header)).second = "8";
        CHECK(letters.add(other).has_value());
    }
    auto other = record(1, "a");
    other.key = "l";
    CHECK(letters.add(other).has_value());
    auto bare = record(1, "a");
    bare.headers.pop_back();
    CHECK(letters.add(bare).has_value());
    CHECK(letters.take(9, 1000).empty());
}

TEST_CASE("what was written before is not asked for again") {
    ParkedLetters letters{parking, 2, 1000};
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(2, "b")).has_value());
    CHECK(letters.add(record(3, "c")).has_value());
    CHECK(names(letters.take(9, 1000)) == Names{"c"});
}

TEST_CASE("a mark is believed if the event that it names is the one of that number") {
    ParkedWitness witness{parking, 2};
    CHECK(witness.found().error() == Errc::not_found);
    for (const auto& [number, event] : {std::pair{1, "a"}, {2, "b"}, {3, "c"}}) {
        witness.add(record(number, event));
    }
    auto foreign = record(2, "d");
    foreign.key = "l";
    witness.add(foreign);
    const Unparked there{2, "b", "t.parked/0/2"};
    REQUIRE(witness.found().has_value());
    CHECK(*witness.found() == there);
    CHECK(*believed(there, witness.found()) == there);
    // After positions were lost there may be another parking of all these names.
    for (const auto& other :
         {Unparked{2, "a", "t.parked/0/2"},
          Unparked{2, "b", "t.parked/0/9"},
          Unparked{2, "", ""}}) {
        CHECK(believed(other, witness.found()).error() == Errc::corrupt_data);
    }
    const ParkedWitness nothing{parking, 2};
    CHECK(believed(there, nothing.found()).error() == Errc::not_found);
    // The events of both are there.
    witness.add(record(2, "b"));
    CHECK(believed(there, witness.found()).error() == Errc::corrupt_data);
}

TEST_CASE("two events of one number are refused, waiting or taken") {
    ParkedLetters letters{parking, 0, 1000};
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(1, "b")).error() == Errc::corrupt_data);
    CHECK(names(letters.take(9, 1000)) == Names{"a"});
    CHECK(letters.add(record(1, "c")).error() == Errc::corrupt_data);
}

TEST_CASE("what waits for an earlier event is bounded by bytes") {
    ParkedLetters letters{parking, 0, size_of(record(2, "b")) * 2};
    CHECK(letters.add(record(2, "b")).has_value());
    CHECK(letters.add(record(3, "c")).has_value());
    CHECK(letters.add(record(4, "d")).error() == Errc::too_large);
    ParkedLetters other{parking, 0, 1};
    // Nothing waits for the one that is due.
    CHECK(other.add(record(1, "a")).has_value());
    CHECK(names(other.take(9, 1000)) == Names{"a"});
    CHECK(other.add(record(2, "b")).has_value());
}

TEST_CASE("how far an unparking has come is written and read again") {
    for (const auto& done :
         {Unparked{3, "an event", "t.parked/0/7"}, Unparked{3, "", ""}, Unparked{}}) {
        CHECK(decode_unparked(encode(done)) == done);
    }
    for (const auto* other : {"3", "3 ", "3 e", "x p e", " p e", ""}) {
        CHECK_FALSE(decode_unparked(other).has_value());
    }
}

TEST_CASE("a mark is that of one parking, told by lane, since, topic and key") {
    CHECK(unpark_mark_key("o", parking) == "o/unparked/2/7/t/k");
    auto odd = parking;
    odd.parked.key = "a/b c/";
    for (const auto& one : {parking, odd}) {
        const auto found = marked_parking("o", unpark_mark_key("o", one));
        REQUIRE(found.has_value());
        CHECK(found->lane == 2);
        CHECK(is_same(found->parked, one.parked));
    }
    for (const auto* other :
         {"o/unparked/2/7",
          "o/unparked/2/7/t",
          "o/unparked/2/x/t/k",
          "o/unparked/64/7/t/k",
          "o/unparked/-1/7/t/k",
          "p/unparked/2/7/t/k",
          "o/replayed/t/0/7/k"}) {
        CHECK_FALSE(marked_parking("o", other).has_value());
    }
    auto more = parking.parked;
    more.events = 9;
    CHECK(is_same(more, parking.parked));
    for (const auto& other :
         {ParkedKey{"u", "k", 7, 4}, {"t", "l", 7, 4}, {"t", "k", 8, 4}}) {
        CHECK_FALSE(is_same(other, parking.parked));
    }
}

TEST_CASE("marks end with their parkings, as far as the lanes are known") {
    const auto mark = [](int lane, const ParkedKey& parked) {
        return unpark_mark_key("o", {lane, parked});
    };
    const auto& live = parking.parked;
    Marks marks{{"o/unparked/other", "1"}, {mark(2, live), "1"}, {mark(3, live), "1"}};
    const std::vector<ParkedKey> ended{
        {"u", "k", 7, 4}, {"t", "l", 7, 4}, {"t", "k", 8, 4}};
    for (const auto& one : ended) marks.emplace(mark(2, one), "1");
    const std::map<int, std::vector<ParkedKey>> lanes{{2, {live}}};
    Names keys;
    for (const auto& one : marks_of_ended(marks, "o", lanes, 9)) {
        CHECK_FALSE(one.value.has_value());
        keys.push_back(one.key);
    }
    CHECK(
        keys == Names{"o/unparked/2/7/t/l", "o/unparked/2/7/u/k", "o/unparked/2/8/t/k"}
    );
    CHECK(marks_of_ended(marks, "o", lanes, 2).size() == 2);
    CHECK(marks_of_ended(marks, "o", {}, 9).empty());
    CHECK(marks_of_ended(marks, "o", {{3, {}}}, 9).size() == 1);
}
