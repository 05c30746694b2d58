// SPDX-License-Identifier: MIT
#include <host/percent.hpp>
#include <host/text.hpp>

#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::host {
namespace {

// The one UTF-8 form of a code point.
std::string encoded(std::uint32_t point) {
    const auto tail = [point](unsigned shift) {
        return static_cast<char>(0x80 | ((point >> shift) & 0x3f));
    };
    if (point < 0x80) return {static_cast<char>(point)};
    if (point < 0x800) return {static_cast<char>(0xc0 | (point >> 6)), tail(0)};
    if (point < 0x10000) {
        return {static_cast<char>(0xe0 | (point >> 12)), tail(6), tail(0)};
    }
    return {static_cast<char>(0xf0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

bool is_surrogate(std::uint32_t point) { return point >= 0xd800 && point <= 0xdfff; }

TEST_CASE("M6: every code point is text in its one form, but for NUL and surrogates") {
    std::uint32_t wrong = 0;
    for (std::uint32_t point = 0; point <= 0x10ffff; ++point) {
        const auto text = encoded(point);
        const std::size_t expected = is_surrogate(point) ? 0 : text.size();
        wrong += utf8_sequence(text) != expected;
        wrong += is_clean_text(text) != (expected > 0 && point != 0);
        // What follows is not a part of it.
        wrong += utf8_sequence(text + "x") != expected;
        // Cut short it is nothing.
        if (text.size() > 1) {
            wrong +=
                utf8_sequence(std::string_view{text}.substr(0, text.size() - 1)) != 0;
        }
    }
    CHECK(wrong == 0);
    CHECK(utf8_sequence(encoded(0x110000)) == 0);
}

TEST_CASE("M6: of all pairs and triples of bytes exactly the forms of code points pass") {
    std::uint32_t pairs = 0;
    std::uint32_t triples = 0;
    for (std::uint32_t first = 0x80; first < 0x100; ++first) {
        for (std::uint32_t second = 0; second < 0x100; ++second) {
            const std::string two{static_cast<char>(first), static_cast<char>(second)};
            pairs += utf8_sequence(two) == 2;
            for (std::uint32_t third = 0; third < 0x100; ++third) {
                triples += utf8_sequence(two + static_cast<char>(third)) == 3;
            }
        }
    }
    CHECK(pairs == 0x800 - 0x80);
    CHECK(triples == 0x10000 - 0x800 - 0x800);
    for (const std::string_view overlong :
         {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80"})
        CHECK(utf8_sequence(overlong) == 0);
    CHECK(utf8_sequence("") == 0);
    CHECK(is_clean_text(""));
    CHECK_FALSE(is_clean_text(std::string_view{"a\0b", 3}));
    CHECK_FALSE(is_clean_text("fine\xff"));
}

TEST_CASE("A text of any bytes becomes one JSON string, which reads back as it was") {
    for (std::uint32_t point :
         {0x1U, 0x1fU, 0x22U, 0x5cU, 0x7fU, 0xe9U, 0x20acU, 0x1f600U}) {
        const auto text = "a" + encoded(point) + "z";
        std::string out = "kept ";
        append_json_string(out, text);
        REQUIRE(out.starts_with("kept \""));
        CHECK(boost::json::parse(out.substr(5)).as_string() == text);
        CHECK(out.find('\n') == std::string::npos);
    }
    std::string out;
    append_json_string(out, "a\xff\xe2\x82z");
    CHECK(out == "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

TEST_CASE("Names of header fields are compared as ASCII in any case") {
    CHECK(equal_in_any_case("Content-Type", "content-TYPE"));
    CHECK(equal_in_any_case("", ""));
    CHECK_FALSE(equal_in_any_case("Content-Type", "Content-Typ"));
    // Neighbours of the letters, 32 apart as the cases are.
    CHECK_FALSE(equal_in_any_case("@", "`"));
    CHECK_FALSE(equal_in_any_case("[", "{"));
    CHECK_FALSE(equal_in_any_case("\xc0", "\xe0"));
}

TEST_CASE("M3: percent escapes are decoded, and what is no clean text is refused") {
    const auto decoded = [](std::string_view text, bool plus_is_space = false) {
        std::string out = "forgotten";
        const auto wrong = percent_decode(text, plus_is_space, out);
        return wrong.empty() ? out : "! " + std::string{wrong};
    };
    CHECK(decoded("") == "");
    CHECK(decoded("a%20b%2Fc%2fd") == "a b/c/d");
    CHECK(decoded("a+b") == "a+b");
    CHECK(decoded("a+b%2B", true) == "a b+");
    CHECK(decoded("%C3%A9") == "\xc3\xa9");
    // Decoded once.
    CHECK(decoded("%2541") == "%41");
    for (const std::string_view broken :
         {"%", "%4", "a%4", "%zz", "%4g", "%g4", "%%41"}) {
        CHECK(decoded(broken) == "! a percent escape is broken");
    }
    for (const std::string_view control : {"%00", "a%0Ab", "%7f", "%1F", "\x01"}) {
        CHECK(decoded(control) == "! a control character is not allowed");
    }
    for (const std::string_view bytes : {"%ff", "%C3", "%ED%A0%80", "%C0%80", "\xff"}) {
        CHECK(decoded(bytes) == "! the text is not UTF-8");
    }
}

}  // namespace
}  // namespace resilience::host
