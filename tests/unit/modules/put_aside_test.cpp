// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/put_aside.hpp>

#include <resilience/dead_letter.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace resilience;
using modules::outbox_admin::Poison;
using modules::outbox_admin::put_aside;

namespace {

WindowEvent row(
    const std::string& topic, std::optional<std::string> key, std::int64_t seq = 1
) {
    WindowEvent made;
    made.seq = seq;
    made.event.id = "00000000-0000-7000-8000-000000000001";
    made.event.aggregate_type = "a";
    made.event.aggregate_id = "i";
    made.event.event_type = "e";
    made.event.event_data = "{}";
    made.event.topic = topic;
    made.event.partition_key = std::move(key);
    return made;
}

WindowEvent broken(
    const std::string& topic, std::optional<std::string> key, std::int64_t seq = 1
) {
    auto made = row(topic, std::move(key), seq);
    made.defect = "event_data: broken";
    return made;
}

std::string header(const WindowEvent& row, std::string_view name) {
    for (const auto& [key, value] : row.event.headers) {
        if (key == name) return value;
    }
    return "none";
}

}  // namespace

TEST_CASE("events of parked keys go behind those that are put aside, and no others do") {
    std::vector<ParkedKey> parked{
        {.topic = "t", .key = "k", .since = 3, .events = 2},
        {.topic = "u", .key = "l", .since = 7, .events = 1}};
    const auto made = put_aside(
        {row("t", "k"),
         row("t", "l"),
         row("u", "k"),
         row("t", std::nullopt),
         row("t", "k")},
        {},
        {},
        9,
        parked
    );
    const auto& rows = made.events;
    REQUIRE(rows.size() == 5);
    CHECK(made.parked == 2);
    CHECK(made.dead_letters == 0);
    CHECK(parked[0].events == 4);
    CHECK(parked[1].events == 1);
    CHECK(rows[0].event.topic == "t.parked");
    CHECK(header(rows[0], parked_since_header) == "3");
    CHECK(header(rows[0], parked_number_header) == "3");
    CHECK(rows[1].event.topic == "t");
    CHECK(rows[2].event.topic == "u");
    CHECK(rows[3].event.topic == "t");
    CHECK(rows[4].event.topic == "t.parked");
    CHECK(header(rows[4], parked_number_header) == "4");
}

TEST_CASE("poison goes where the policy of its topic says") {
    const Poison poison{
        .policy = PoisonPolicy::dlq,
        .topics = {{"p", PoisonPolicy::park_key}, {"h", PoisonPolicy::halt_lane}}};
    std::vector<ParkedKey> parked;
    const auto made = put_aside(
        {row("t", "k", 1),
         broken("t", "k", 2),
         broken("h", "k", 3),
         broken("p", "k", 4),
         row("p", "k", 5),
         broken("p", std::nullopt, 6),
         row("h", "k", 7)},
        {},
        poison,
        10,
        parked
    );
    REQUIRE(made.events.size() == 6);
    CHECK(made.events[0].event.topic == "t");
    CHECK(made.events[1].event.topic == "t.dlq");
    CHECK(made.events[1].defect.empty());
    CHECK(made.events[2].event.topic == "p.parked");
    CHECK(header(made.events[2], parked_number_header) == "1");
    CHECK(made.events[3].event.topic == "p.parked");
    CHECK(header(made.events[3], parked_number_header) == "2");
    CHECK(made.events[4].event.topic == "p.parked");
    CHECK(header(made.events[4], parked_number_header) == "none");
    CHECK(made.events[5].event.topic == "h");
    CHECK(made.parked == 3);
    CHECK(made.dead_letters == 1);
    // The parking is named by the number that its first event is given.
    CHECK(
        parked ==
        std::vector<ParkedKey>{{.topic = "p", .key = "k", .since = 13, .events = 2}}
    );
    REQUIRE(made.halting.size() == 1);
    CHECK(made.halting[0].at == 2);
    CHECK(made.halting[0].seq == 3);
    CHECK(made.halting[0].topic == "h");
}

TEST_CASE("what a topic has refused is poison, too") {
    std::vector<ParkedKey> parked;
    const auto made = put_aside(
        {row("t", "k", 1), row("t", "k", 2)},
        {{2, fail(Errc::too_large, "big")}},
        {.policy = PoisonPolicy::dlq},
        0,
        parked
    );
    REQUIRE(made.events.size() == 2);
    CHECK(made.events[0].event.topic == "t");
    CHECK(made.events[1].event.topic == "t.dlq");
    CHECK(header(made.events[1], dead_letter_content_header) == "left out");
}

TEST_CASE("a key that would be one too many to be parked halts the lane") {
    std::vector<ParkedKey> parked{{.topic = "t", .key = "k", .since = 3, .events = 2}};
    const Poison poison{.policy = PoisonPolicy::park_key, .most_parked = 1};
    const auto made =
        put_aside({broken("t", "l"), broken("t", "k")}, {}, poison, 9, parked);
    CHECK(made.halting.size() == 1);
    CHECK(parked.size() == 1);
    CHECK(parked[0].events == 3);
}
