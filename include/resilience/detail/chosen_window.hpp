// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CHOSEN_WINDOW_HPP
#define RESILIENCE_DETAIL_CHOSEN_WINDOW_HPP

#include <resilience/circuit_breaker_options.hpp>

#include <cstdint>
#include <variant>

namespace resilience::detail {

/// The window that the options ask for.
class ChosenWindow {
public:
    explicit ChosenWindow(const WindowOptions& options) {
        if (const auto* time = std::get_if<TimeWindowOptions>(&options)) {
            window_.emplace<TimeWindow>(*time);
        } else if (const auto* count = std::get_if<CountWindowOptions>(&options)) {
            window_.emplace<CountWindow>(*count);
        }
    }

    void record(std::uint32_t generation, CallOutcome outcome, TimePoint now) noexcept {
        if (auto* count = std::get_if<CountWindow>(&window_)) {
            count->record(generation, outcome, now);
        } else if (auto* time = std::get_if<TimeWindow>(&window_)) {
            time->record(generation, outcome, now);
        }
    }

    CallCounts counts(std::uint32_t generation, TimePoint now) const noexcept {
        if (const auto* count = std::get_if<CountWindow>(&window_)) {
            return count->counts(generation, now);
        }
        if (const auto* time = std::get_if<TimeWindow>(&window_)) {
            return time->counts(generation, now);
        }
        return {};
    }

    void forget(std::uint32_t generation) noexcept {
        if (auto* count = std::get_if<CountWindow>(&window_)) {
            count->forget(generation);
        } else if (auto* time = std::get_if<TimeWindow>(&window_)) {
            time->forget(generation);
        }
    }

private:
    std::variant<std::monostate, TimeWindow, CountWindow> window_;
};

static_assert(CallWindow<ChosenWindow>);

}  // namespace resilience::detail

#endif
