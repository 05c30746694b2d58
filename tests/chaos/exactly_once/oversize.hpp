// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_OVERSIZE_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_OVERSIZE_HPP

#include <cstddef>
#include <random>
#include <string>

namespace resilience::e2e {

/// How large a message may be that a topic of a test takes, in bytes.
inline constexpr std::size_t topic_limit = 20'000;

/// A content of so many letters, which no codec makes small; by default more than such a
/// topic takes.
inline std::string oversize(std::mt19937& random, std::size_t size = 2 * topic_limit) {
    std::string text(size, ' ');
    for (auto& c : text) c = static_cast<char>('A' + random() % 26);
    return '"' + text + '"';
}

}  // namespace resilience::e2e

#endif
