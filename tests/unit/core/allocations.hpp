// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_ALLOCATIONS_HPP
#define TESTS_UNIT_CORE_ALLOCATIONS_HPP

#include <cstdint>

namespace resilience::testing {

/// How often the calling thread has allocated memory. Link allocations.cpp.
std::uint64_t allocations() noexcept;

}  // namespace resilience::testing

#endif
