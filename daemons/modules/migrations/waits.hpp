// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_MIGRATIONS_WAITS_HPP
#define RESILIENCE_MODULES_MIGRATIONS_WAITS_HPP

#include <algorithm>
#include <chrono>

namespace resilience::modules::migrations {

/// How long a program that changes the schema waits.
struct Waits {
    /// For another runner, or for a table that others use. Positive.
    std::chrono::milliseconds lock{60'000};
    /// For one statement of a change. Positive. With SQLite it is never shorter than
    /// @ref lock.
    std::chrono::milliseconds statement{3'600'000};

    std::chrono::milliseconds longest() const noexcept {
        return std::max(lock, statement);
    }
};

}  // namespace resilience::modules::migrations

#endif
