// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIVE_SETTINGS_HPP
#define RESILIENCE_DETAIL_LIVE_SETTINGS_HPP

#include <resilience/detail/replacements.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace resilience::detail {

/** Settings that are replaced as a whole while others read them.

    Reading takes no lock. What was replaced is kept to the end, since somebody may still
    be reading it; how often that may be is bounded by @ref Replacements.
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

    /** Puts `make(old)` in force, unless `same(old)`; one caller after the other.
        @throws std::length_error The settings were replaced too often; nothing was
            called but `same`.
    */
    template <class Same, class Make>
    void replace_unless(Same same, Make make) {
        const std::lock_guard lock{mutex_};
        if (same(get())) return;
        replacements_.demand_room();
        kept_.push_back(std::make_unique<const T>(make(get())));
        replacements_.add();
        current_.store(kept_.back().get(), std::memory_order_release);
    }

    /// How often the settings were replaced.
    std::uint32_t replaced() const noexcept { return replacements_.count(); }

private:
    Atomic<const T*> current_{&first_};
    const T first_;
    Mutex mutex_;
    std::vector<std::unique_ptr<const T>> kept_;
    Replacements replacements_;
};

}  // namespace resilience::detail

#endif
