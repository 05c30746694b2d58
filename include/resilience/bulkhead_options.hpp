// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BULKHEAD_OPTIONS_HPP
#define RESILIENCE_BULKHEAD_OPTIONS_HPP

#include <resilience/detail/bulkhead_law.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace resilience {

/// In which order a @ref Bulkhead serves those who wait.
enum class QueueDiscipline : std::uint8_t {
    /// Who came first is served first; each waits as long as it may.
    fifo,
    /// First come, first served, until the queue no longer empties: then who waited too
    /// long is shed, and the newest is served first. See @ref BulkheadOptions::target.
    codel
};

/// Settings of a @ref Bulkhead.
struct BulkheadOptions {
    /// Calls in flight at most. 1 to 8,388,607; default 64.
    std::uint32_t limit = 64;

    /// Callers that may wait for a slot at once. At most 16,777,215; zero: nobody waits.
    /// Default 128.
    std::uint32_t queue = 128;

    /// Longest wait for a slot. Positive; default 50 ms.
    std::chrono::nanoseconds max_wait = std::chrono::milliseconds{50};

    /// The order in which those who wait are served. Default first come, first served.
    QueueDiscipline discipline = QueueDiscipline::fifo;

    /// With @ref QueueDiscipline::codel, the longest wait that is no sign of overload.
    /// The bulkhead is overloaded after an @ref interval in which whoever had waited
    /// longest had always waited longer than this; then a wait of more than twice as long
    /// is shed. Positive; default 5 ms.
    std::chrono::nanoseconds target = std::chrono::milliseconds{5};

    /// With @ref QueueDiscipline::codel, the time over which overload is judged. At least
    /// @ref target; default 100 ms.
    std::chrono::nanoseconds interval = std::chrono::milliseconds{100};

    friend bool operator==(const BulkheadOptions&, const BulkheadOptions&) = default;
};

namespace detail {

/// Returns `options`, or throws `std::invalid_argument` naming the field out of range.
inline const BulkheadOptions& checked(const BulkheadOptions& options) {
    const auto require = [](bool good, const char* rule) {
        if (!good) throw std::invalid_argument(rule);
    };
    require(
        options.limit >= 1 && options.limit <= BulkheadLaw::kMostSlots,
        "BulkheadOptions::limit: must be 1 to 8388607"
    );
    require(
        options.queue <= BulkheadLaw::kMostWaiters,
        "BulkheadOptions::queue: must be at most 16777215"
    );
    require(options.max_wait.count() > 0, "BulkheadOptions::max_wait: must be positive");
    require(
        options.discipline == QueueDiscipline::fifo ||
            options.discipline == QueueDiscipline::codel,
        "BulkheadOptions::discipline: is not one of its values"
    );
    require(options.target.count() > 0, "BulkheadOptions::target: must be positive");
    require(
        options.interval >= options.target,
        "BulkheadOptions::interval: must not be less than target"
    );
    return options;
}

}  // namespace detail
}  // namespace resilience

#endif
