// SPDX-License-Identifier: MIT
#include <resilience/uuid.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace resilience;

TEST_CASE("M7: a UUID is its 36 characters in either case and nothing else") {
    const std::string text = "0190163d-8694-739b-aea5-966c26f8ad91";
    const auto uuid = Uuid::parse(text);
    REQUIRE(uuid.has_value());
    CHECK(uuid->to_string() == text);
    CHECK(Uuid::parse("0190163D-8694-739B-AEA5-966C26F8AD91") == uuid);

    const std::string wrong[] = {
        "",
        "0190163d8694739baea5966c26f8ad91",
        "{" + text + "}",
        text + "0",
        text.substr(1),
        "0190163g-8694-739b-aea5-966c26f8ad91",
        "0190163d-8694-739b-aea5-966c26f8ad9-",
        "0190163d_8694_739b_aea5_966c26f8ad91",
        "01901-63d8694-739b-aea5-966c26f8ad91"};
    for (const auto& bad : wrong) CHECK_FALSE_MESSAGE(Uuid::parse(bad).has_value(), bad);
}

TEST_CASE(
    "a version 7 UUID holds the milliseconds, the version and the variant of RFC 9562"
) {
    // The example of RFC 9562, appendix A.6.
    const WallClock::time_point at{std::chrono::milliseconds{0x017f22e279b0}};
    const auto text = Uuid::v7(at, {~0ULL, ~0ULL}).to_string();
    CHECK(text.substr(0, 13) == "017f22e2-79b0");
    CHECK(text[14] == '7');
    CHECK(text[19] == 'b');
    CHECK(Uuid::v7(at, {0, 0}).to_string() == "017f22e2-79b0-7000-8000-000000000000");
}

TEST_CASE("version 7 UUIDs sort by time") {
    const WallClock::time_point at{std::chrono::milliseconds{1'700'000'000'000}};
    CHECK(
        Uuid::v7(at, {~0ULL, ~0ULL}).to_string() <
        Uuid::v7(at + std::chrono::milliseconds{1}, {0, 0}).to_string()
    );
}
