// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_WINDOW_CLOCK_HPP
#define RESILIENCE_DETAIL_WINDOW_CLOCK_HPP

#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/divisor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace resilience::detail {

/// Cuts time into windows of one length and numbers them.
class WindowClock {
public:
    static constexpr std::int64_t kLongestWindow = kTimeLimit / 8;

    /// Where an instant stands: the number of its window, at least 2, and the nanoseconds
    /// since that began (negative before the clock's epoch, where windows end).
    struct Moment {
        std::int64_t index;
        std::int64_t into;
    };

    /// One window begins at `offset` after the clock's epoch.
    /// @throws std::invalid_argument Names the field of `options`, the type of the
    /// options.
    WindowClock(
        std::chrono::nanoseconds window,
        std::chrono::nanoseconds offset,
        const std::string& options
    )
        : window_{window.count()} {
        if (window_ <= 0 || window_ > kLongestWindow) {
            throw std::invalid_argument{options + "::window must be in 1 ns to 18 years"};
        }
        const std::int64_t begins = offset.count() % window_;
        lead_ = begins > 0 ? window_ - begins : -begins;
        by_window_ = Divisor{static_cast<std::uint64_t>(window_)};
    }

    constexpr std::int64_t window() const noexcept { return window_; }

    /// The number of no window is greater, nor that of the one after.
    constexpr std::int64_t last_index() const noexcept {
        return (kTimeLimit + window_) / window_ + 3;
    }

    constexpr Moment moment(std::int64_t ns) const noexcept {
        const std::int64_t since = std::max<std::int64_t>(ns, 0) + lead_;
        const std::int64_t index = by_window_.divide(since);
        std::int64_t into = since - index * window_;
        if (ns < 0) [[unlikely]]
            into += std::max(ns, -kTimeLimit / 4);
        return {index + 2, into};
    }

    /// The instant at which a window begins, in nanoseconds.
    constexpr std::int64_t begin_of(std::int64_t index) const noexcept {
        return (index - 2) * window_ - lead_;
    }

    /// Whether windows are as long and begin at the same instants.
    constexpr bool same_as(const WindowClock& other) const noexcept {
        return window_ == other.window_ && lead_ == other.lead_;
    }

    /// Time from `now` until `into` nanoseconds after window `index` began.
    constexpr std::chrono::nanoseconds until(
        Moment now, std::int64_t index, std::int64_t into
    ) const noexcept {
        return std::chrono::nanoseconds{
            (index - now.index) * window_ + (into - now.into)};
    }

private:
    std::int64_t window_;
    std::int64_t lead_ = 0;  // what is missing from the first window
    Divisor by_window_;
};

}  // namespace resilience::detail

#endif
