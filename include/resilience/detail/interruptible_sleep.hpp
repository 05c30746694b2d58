// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_INTERRUPTIBLE_SLEEP_HPP
#define RESILIENCE_DETAIL_INTERRUPTIBLE_SLEEP_HPP

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace resilience::detail {

/// Makes the calling thread wait, unless it is stopped first.
struct InterruptibleSleep {
    /// @return Whether the wait came to its end; false when the stop came first.
    bool operator()(std::chrono::nanoseconds span, const std::stop_token& stop) const {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock{mutex};
        wake.wait_for(lock, stop, span, [] { return false; });
        return !stop.stop_requested();
    }
};

}  // namespace resilience::detail

#endif
