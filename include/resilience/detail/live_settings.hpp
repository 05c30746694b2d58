// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIVE_SETTINGS_HPP
#define RESILIENCE_DETAIL_LIVE_SETTINGS_HPP

#include <resilience/detail/replacements.hpp>
#include <resilience/detail/sync.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace resilience::detail {

/** Settings that are replaced as a whole while others read them.

    Reading takes no lock. What was replaced is kept to the end, since somebody may still
    be reading it, and is put in force again if it comes back; how much may be kept is
    bounded by @ref Replacements.
*/
template <std::equality_comparable T>
class LiveSettings {
public:
    explicit LiveSettings(const T& first) : first_(first) {}

    LiveSettings(const LiveSettings&) = delete;
    LiveSettings& operator=(const LiveSettings&) = delete;

    /// The settings in force, to be read once for each decision. What was done before
    /// they were put in force is seen by whoever sees them.
    const T& get() const noexcept { return *current_.load(std::memory_order_acquire); }

    /** Puts `make(old)` in force, unless it equals `old`; one caller after the other.

        @param before Called as `before(old, next)`, before `next` is seen by anybody.
        @throws std::length_error There is no room for settings that were never in force;
            nothing was called but `make`.
    */
    template <class Make, class Before>
    void replace(Make make, Before before) {
        const std::lock_guard lock{mutex_};
        const T& old = get();
        T next = make(old);
        if (next == old) return;
        const T* place = find(next);
        if (place == nullptr) place = keep(std::move(next));
        before(old, *place);
        current_.store(place, std::memory_order_release);
    }

    /// As above, with nothing to be done before.
    template <class Make>
    void replace(Make make) {
        replace(make, [](const T&, const T&) {});
    }

    /// How often the settings were replaced by others than were in force before.
    std::uint32_t replaced() const noexcept { return replacements_.count(); }

private:
    const T* find(const T& wanted) const {
        if (first_ == wanted) return &first_;
        for (const auto& kept : kept_) {
            if (*kept == wanted) return kept.get();
        }
        return nullptr;
    }

    const T* keep(T next) {
        replacements_.demand_room();
        kept_.push_back(std::make_unique<const T>(std::move(next)));
        replacements_.add();
        return kept_.back().get();
    }

    Atomic<const T*> current_{&first_};
    const T first_;
    Mutex mutex_;
    std::vector<std::unique_ptr<const T>> kept_;
    Replacements replacements_;
};

}  // namespace resilience::detail

#endif
