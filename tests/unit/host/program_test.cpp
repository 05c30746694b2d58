// SPDX-License-Identifier: MIT
#include <host/program.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

namespace resilience::host {
namespace {

TEST_CASE("X12: a setting at fault ends a program with 2, any other failure with 1") {
    CHECK(run_program("test", [] { return 0; }) == 0);
    CHECK(run_program("test", [] { return 7; }) == 7);
    CHECK(run_program("test", []() -> int { throw std::invalid_argument("PORT"); }) == 2);
    CHECK(run_program("test", []() -> int { throw std::runtime_error("down"); }) == 1);
}

}  // namespace
}  // namespace resilience::host
