// SPDX-License-Identifier: MIT
#include "src/postgres/snapshot_text.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace resilience::postgres;

TEST_CASE("I11: the end of a snapshot is read from its text") {
    CHECK(end_of_snapshot(first_snapshot) == 1);
    CHECK(end_of_snapshot("740:745:740,742") == 745);
    CHECK(end_of_snapshot("740:740:") == 740);
    CHECK(end_of_snapshot("1:18446744073709551615:") == 18446744073709551615u);
}

TEST_CASE("I11: what is no snapshot has no end") {
    const std::string whole = "740:745:740,742";
    for (std::size_t size = 0; size < std::string{"740:745:"}.size(); ++size) {
        CHECK_FALSE(end_of_snapshot(whole.substr(0, size)).has_value());
    }
    for (const auto* const text :
         {"0:5:",
          "6:5:",
          ":5:",
          "5::",
          "-1:5:",
          " 1:5:",
          "1:5:x",
          "1:5:2;DROP",
          "1:18446744073709551616:",
          "1:5:2 ",
          "745"}) {
        CAPTURE(text);
        CHECK_FALSE(end_of_snapshot(text).has_value());
    }
}
