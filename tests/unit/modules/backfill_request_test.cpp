// SPDX-License-Identifier: MIT
#include <modules/backfill/request.hpp>
#include <modules/backfill/run.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace resilience::modules::backfill;

TEST_CASE("O11: a backfill needs an aggregate type and takes no bound that is no moment"
) {
    const std::pair<Request, std::optional<std::string>> requests[] = {
        {{}, "--aggregate-type: is required"},
        {{.aggregate_type = "user"}, std::nullopt},
        {{.aggregate_type = "user", .from = "yesterday"},
         "--from: must be like 2026-01-31T00:00:00Z"},
        {{.aggregate_type = "user", .from = "2026-02-30T00:00:00Z"},
         "--from: must be like 2026-01-31T00:00:00Z"},
        {{.aggregate_type = "user", .to = "2026-01-31"},
         "--to: must be like 2026-01-31T00:00:00Z"},
        {{.aggregate_type = "user",
          .from = "2026-01-31T00:00:00Z",
          .to = "2026-01-31T00:00:00.000Z"},
         "--from: must be before --to"},
        {{.aggregate_type = "user",
          .from = "2026-01-31T00:00:00Z",
          .to = "2026-01-31T00:00:00.000001Z"},
         std::nullopt}};
    for (auto [request, mistake] : requests) {
        CHECK(normalise(request) == mistake);
    }
}

TEST_CASE("O11: bounds get the form of rows, in which texts compare as moments do") {
    Request request{
        .aggregate_type = "user",
        .from = "2026-01-31T00:00:00Z",
        .to = "2026-01-31T00:00:00.5Z"};
    REQUIRE_FALSE(normalise(request).has_value());
    CHECK(request.from == "2026-01-31T00:00:00.000000Z");
    CHECK(request.to == "2026-01-31T00:00:00.500000Z");
    const auto once = request;
    REQUIRE_FALSE(normalise(request).has_value());
    CHECK(request.from == once.from);
    CHECK(request.to == once.to);
}

TEST_CASE("O11: a run belongs to what was asked for, not to how it is cut into chunks") {
    const Request request{.aggregate_type = "user"};
    const Request others[] = {
        {.aggregate_type = "order"},
        {.aggregate_type = "user", .topic = "replay"},
        {.aggregate_type = "user", .from = "2026-01-31T00:00:00.000000Z"},
        {.aggregate_type = "user", .to = "2026-01-31T00:00:00.000000Z"},
        {.aggregate_type = "user", .limit = 5}};
    std::set<std::string> names{fingerprint(request)};
    for (const auto& other : others) names.insert(fingerprint(other));
    CHECK(names.size() == 1 + std::size(others));
    CHECK(fingerprint({.aggregate_type = "user", .chunk = 1}) == fingerprint(request));
}

TEST_CASE("O11: a chunk looks at no more rows than the limit leaves") {
    const Request request{.aggregate_type = "user", .limit = 7, .chunk = 5};
    CHECK(rows_wanted({.emitted = 0}, request) == 5);
    CHECK(rows_wanted({.emitted = 5}, request) == 2);
    CHECK(rows_wanted({.emitted = 1'000}, {.chunk = 5}) == 5);
}

TEST_CASE("O11: a run ends with the rows or with the limit") {
    const Request limited{.limit = 7, .chunk = 5};
    CHECK_FALSE(is_finished({.emitted = 5}, limited, 5, 5));
    CHECK(is_finished({.emitted = 7}, limited, 2, 2));
    CHECK(is_finished({.emitted = 4}, limited, 5, 4));
    // Rows that were left out count for what was looked at, not for the limit.
    CHECK_FALSE(is_finished({.emitted = 6}, limited, 2, 2));
    const Request unlimited{.chunk = 5};
    CHECK_FALSE(is_finished({.emitted = 5}, unlimited, 5, 5));
    CHECK(is_finished({.emitted = 5}, unlimited, 5, 0));
}

TEST_CASE("O11: a copy is as the original with a new identity that names the original") {
    const Event original{
        .id = "01890a5d-ac96-774b-bcce-b302099a8057",
        .aggregate_type = "user",
        .aggregate_id = "7",
        .event_type = "user.created",
        .event_data = R"({"id":"7"})",
        .topic = "people",
        .partition_key = "key",
        .headers = {{"traceparent", "00-1"}},
        .created_at = WallClock::time_point{},
        .max_retries = 9};
    const auto copy = copy_of(original, {});
    CHECK(copy.id.empty());
    CHECK(copy.aggregate_type == original.aggregate_type);
    CHECK(copy.aggregate_id == original.aggregate_id);
    CHECK(copy.event_type == original.event_type);
    CHECK(copy.event_data == original.event_data);
    CHECK(copy.topic == "people");
    CHECK(copy.partition_key == "key");
    CHECK_FALSE(copy.created_at.has_value());
    CHECK_FALSE(copy.max_retries.has_value());
    CHECK(
        copy.headers ==
        std::vector<Header>{{"traceparent", "00-1"}, {"backfill-of", original.id}}
    );
    CHECK(copy_of(original, {.topic = "replay"}).topic == "replay");
}
