// SPDX-License-Identifier: MIT
#include <resilience/postgres/parameter.hpp>

#include <doctest/doctest.h>

#include <array>

using resilience::postgres::Parameter;
using resilience::postgres::parameters;

TEST_CASE("a parameter holds NULL, text, numbers and truth values") {
    CHECK_FALSE(Parameter{}.value());
    CHECK_FALSE(Parameter{nullptr}.value());
    CHECK_FALSE(Parameter{std::nullopt}.value());
    CHECK_FALSE(Parameter{std::optional<std::string>{}}.value());
    CHECK(Parameter{std::optional<int>{7}}.value() == "7");
    CHECK(Parameter{"text"}.value() == "text");
    CHECK(Parameter{std::string_view{"a\0b", 3}}.value() == std::string("a\0b", 3));
    CHECK(Parameter{0}.value() == "0");
    CHECK(Parameter{INT64_MIN}.value() == "-9223372036854775808");
    CHECK(Parameter{true}.value() == "t");
    CHECK(Parameter{false}.value() == "f");
    CHECK_FALSE(Parameter{"text"}.is_binary());
}

TEST_CASE("a binary parameter is marked as such") {
    const auto parameter = Parameter::binary(std::string_view{"\0\xff", 2});
    CHECK(parameter.is_binary());
    CHECK(parameter.value() == std::string("\0\xff", 2));
}

TEST_CASE("arrays are written so that every element comes back as it was") {
    const std::array<std::int64_t, 3> numbers{1, -2, INT64_MAX};
    CHECK(Parameter::array(numbers).value() == "{1,-2,9223372036854775807}");
    CHECK(Parameter::array(std::span<const std::int64_t>{}).value() == "{}");
    const std::array<std::string, 4> texts{"", "NULL", "a,b", "\"\\{}"};
    CHECK(Parameter::array(texts).value() == R"({"","NULL","a,b","\"\\{}"})");
}

TEST_CASE("parameters collects values of different types in order") {
    const auto list = parameters(1, "two", nullptr, true);
    REQUIRE(list.size() == 4);
    CHECK(list[0].value() == "1");
    CHECK(list[1].value() == "two");
    CHECK_FALSE(list[2].value());
    CHECK(list[3].value() == "t");
}
