// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIVE_SETTINGS_HPP
#define RESILIENCE_DETAIL_LIVE_SETTINGS_HPP

#include <resilience/detail/sync.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace resilience::detail {

/** Settings that are replaced as a whole while others read them.

    Reading takes no lock. What was replaced is kept to the end, since somebody may still
    be reading it: for changes by operators, not by a control loop.
*/
template <class T>
class LiveSettings {
public:
    explicit LiveSettings(const T& first) : first_(first) {}

    LiveSettings(const LiveSettings&) = delete;
    LiveSettings& operator=(const LiveSettings&) = delete;

    /// The settings in force, to be read once for each decision. What was done before
    /// they were put in force is seen by whoever sees them.
    const T& get() const noexcept { return *current_.load(std::memory_order_acquire); }

    /// Puts `make(old)` in force; one caller after the other.
    template <class Make>
    void replace(Make make) {
        const std::lock_guard lock{mutex_};
        kept_.push_back(std::make_unique<const T>(make(get())));
        current_.store(kept_.back().get(), std::memory_order_release);
    }

private:
    Atomic<const T*> current_{&first_};
    const T first_;
    Mutex mutex_;
    std::vector<std::unique_ptr<const T>> kept_;
};

}  // namespace resilience::detail

#endif
