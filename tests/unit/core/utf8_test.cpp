// SPDX-License-Identifier: MIT
#include <resilience/detail/utf8.hpp>

#include <doctest/doctest.h>

#include <string_view>

using resilience::detail::is_storable_text;
using namespace std::string_view_literals;

TEST_CASE("M6: well-formed UTF-8 is storable text") {
    for (const auto text :
         {""sv, "plain"sv, "\u00e9"sv, "\u20ac"sv, "\U0001f600"sv, "\U0010ffff"sv}) {
        CHECK(is_storable_text(text));
    }
}

TEST_CASE("M6: NUL, overlong forms, surrogates, cut and stray bytes are not") {
    const std::string_view wrong[] = {
        "\0"sv,
        "a\0b"sv,
        "\x80"sv,
        "\xc0\xaf"sv,
        "\xc1\xbf"sv,
        "\xe0\x80\xaf"sv,
        "\xed\xa0\x80"sv,
        "\xf0\x80\x80\xaf"sv,
        "\xf4\x90\x80\x80"sv,
        "\xf5\x80\x80\x80"sv,
        "\xff"sv,
        "\xe2\x82"sv,
        "\xc3("sv,
        "\xe2\x28\xa1"sv};
    for (const auto text : wrong) CHECK_FALSE(is_storable_text(text));
}
