// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/put_aside.hpp>

#include <resilience/dead_letter.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace resilience;
using resilience::modules::outbox_admin::put_aside;

namespace {

WindowEvent row(const std::string& topic, std::optional<std::string> key) {
    WindowEvent made;
    made.event.topic = topic;
    made.event.partition_key = std::move(key);
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
    std::vector<WindowEvent> rows{
        row("t", "k"),
        row("t", "l"),
        row("u", "k"),
        row("t", std::nullopt),
        row("t", "k")};
    CHECK(put_aside(rows, parked) == 2);
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
