// SPDX-License-Identifier: MIT
#include <resilience/detail/header_json.hpp>

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using resilience::Header;
using resilience::detail::read_headers;
using Headers = std::vector<Header>;

TEST_CASE("headers are read in their order, what is no string as its text") {
    CHECK(read_headers("{}").empty());
    CHECK(
        read_headers(R"({"b": "x\ny", "a": 7, "c": {"d": [null]}})") ==
        Headers{{"b", "x\ny"}, {"a", "7"}, {"c", R"({"d":[null]})"}}
    );
}

TEST_CASE("what is no object has no headers") {
    for (const std::string_view text : {"", "[]", "\"a\"", "{", "{\"a\"", "null"}) {
        CAPTURE(text);
        CHECK(read_headers(text).empty());
    }
}
