// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_SOURCE_PATH_HPP
#define RESILIENCE_TESTS_SOURCE_PATH_HPP

#include <string>

namespace resilience::tests {

/// The path of what lies at `below` in the checkout, whatever folder a test runs in.
/// (`__FILE__` is relative to a folder that a compiler cache chooses.)
std::string source_path(const std::string& below);

}  // namespace resilience::tests

#endif
