// SPDX-License-Identifier: MIT
#include <resilience/postgres/shared_look.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;
using resilience::TimePoint;
using resilience::postgres::SharedLook;

namespace {

constexpr TimePoint start{1h};

}  // namespace

TEST_CASE("a look that saw the same again is shared for as long as it is told") {
    SharedLook look{3ms};
    CHECK_FALSE(look.is_unchanged("10:10:", TimePoint::min(), start));
    look.saw("10:10:", start);
    CHECK(look.is_unchanged("10:10:", start - 20ms, start));
    CHECK(look.is_unchanged("10:10:", start - 20ms, start + 2'999us));
    CHECK_FALSE(look.is_unchanged("10:10:", start - 20ms, start + 3ms));
    CHECK_FALSE(look.is_unchanged("10:11:", start - 20ms, start));
    CHECK_FALSE(look.is_unchanged("", start - 20ms, start));
}

TEST_CASE("nobody is answered by a look of its own, or by an earlier one") {
    SharedLook look{3ms};
    look.saw("10:10:", start);
    CHECK_FALSE(look.is_unchanged("10:10:", start, start + 1ms));
    CHECK_FALSE(look.is_unchanged("10:10:", start + 1ms, start + 2ms));
}

TEST_CASE("of looks that overlap the one that began last counts") {
    SharedLook look{3ms};
    look.saw("10:12:", start + 1ms);
    look.saw("10:10:", start);
    CHECK(look.is_unchanged("10:12:", start, start + 2ms));
    CHECK_FALSE(look.is_unchanged("10:10:", start - 1ms, start + 2ms));
}

TEST_CASE("a look without an age is never shared, and a wrong age is named") {
    SharedLook look{0ms};
    look.saw("10:10:", start);
    CHECK_FALSE(look.is_unchanged("10:10:", start - 1ms, start));
    CHECK_NOTHROW(SharedLook{10s});
    CHECK_THROWS_WITH_AS(
        SharedLook{-1ms}, "longest_age: must be 0 to 10 s", std::invalid_argument
    );
    CHECK_THROWS_AS(SharedLook{10'001ms}, std::invalid_argument);
}
