// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked_letters.hpp>
#include <modules/outbox_admin/parked_writer.hpp>

#include <doctest/doctest.h>

#include <string>
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
    ParkedLetters letters{parking, {}, 1000};
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
    ParkedLetters letters{parking, {}, 10000};
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
    CHECK(fewer_letters(fail(Errc::timed_out), 500) == 250);
    CHECK(fewer_letters(fail(Errc::queue_full), 3) == 1);
    CHECK_FALSE(fewer_letters(fail(Errc::timed_out), 1).has_value());
    CHECK(fewer_letters(fail(Errc::too_large), 500) == 1);
    CHECK_FALSE(fewer_letters(fail(Errc::too_large), 1).has_value());
    for (const auto ends : {Errc::timed_out_in_doubt, Errc::fenced, Errc::aborted}) {
        CHECK_FALSE(fewer_letters(fail(ends), 500).has_value());
    }
}

TEST_CASE("events of another parking, lane, key or topic are no part of it") {
    ParkedLetters letters{parking, {}, 1000};
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
    ParkedLetters letters{parking, {2, "b"}, 1000};
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(2, "b")).has_value());
    CHECK(letters.add(record(3, "c")).has_value());
    CHECK(names(letters.take(9, 1000)) == Names{"c"});
}

TEST_CASE("a mark of another parking of the same name is refused") {
    ParkedLetters letters{parking, {2, "other"}, 1000};
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(2, "b")).error() == Errc::corrupt_data);
    // By hand, nobody knows which event it was.
    ParkedLetters by_hand{parking, {2, ""}, 1000};
    CHECK(by_hand.add(record(2, "b")).has_value());
}

TEST_CASE("two events of one number are refused, waiting or taken") {
    ParkedLetters letters{parking, {}, 1000};
    CHECK(letters.add(record(1, "a")).has_value());
    CHECK(letters.add(record(1, "b")).error() == Errc::corrupt_data);
    CHECK(names(letters.take(9, 1000)) == Names{"a"});
    CHECK(letters.add(record(1, "c")).error() == Errc::corrupt_data);
}

TEST_CASE("what waits for an earlier event is bounded by bytes") {
    ParkedLetters letters{parking, {}, size_of(record(2, "b")) * 2};
    CHECK(letters.add(record(2, "b")).has_value());
    CHECK(letters.add(record(3, "c")).has_value());
    CHECK(letters.add(record(4, "d")).error() == Errc::too_large);
    ParkedLetters other{parking, {}, 1};
    // Nothing waits for the one that is due.
    CHECK(other.add(record(1, "a")).has_value());
    CHECK(names(other.take(9, 1000)) == Names{"a"});
    CHECK(other.add(record(2, "b")).has_value());
}

TEST_CASE("how far an unparking has come is written and read again") {
    CHECK(unpark_mark_key("o", parking) == "o/unparked/2/7");
    CHECK(marked_parking("o", "o/unparked/2/7") == MarkedParking{2, 7});
    for (const auto* other :
         {"o/unparked/2",
          "o/unparked/2/x",
          "o/unparked/64/7",
          "o/unparked/-1/7",
          "o/unparked/2/7/8",
          "p/unparked/2/7",
          "o/replayed/t/0/7"}) {
        CHECK_FALSE(marked_parking("o", other).has_value());
    }
    CHECK(decode_unparked(encode(Unparked{3, "an event"})) == Unparked{3, "an event"});
    CHECK(decode_unparked(encode(Unparked{3, ""})) == Unparked{3, ""});
    CHECK_FALSE(decode_unparked("3").has_value());
    CHECK_FALSE(decode_unparked("x e").has_value());
    CHECK_FALSE(decode_unparked("").has_value());
}
