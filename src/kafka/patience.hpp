// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_PATIENCE_HPP
#define RESILIENCE_SRC_KAFKA_PATIENCE_HPP

#include <resilience/clock.hpp>
#include <resilience/error.hpp>

#include <resilience/detail/interruptible_sleep.hpp>

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <string>
#include <utility>

namespace resilience::kafka::detail {

/// How long blocking calls may go on: until a moment, or until somebody stops them.
class Patience {
public:
    Patience(TimePoint ends, std::stop_token stop)
        : ends_(ends), stop_(std::move(stop)) {}

    bool is_over() const { return stop_.stop_requested() || Clock::now() >= ends_; }

    /// The rest in milliseconds, at most `longest`: what one call may take that cannot be
    /// stopped.
    int slice(std::chrono::milliseconds longest) const {
        using std::chrono::milliseconds;
        const auto rest = std::chrono::ceil<milliseconds>(ends_ - Clock::now());
        return static_cast<int>(std::clamp(rest, milliseconds{0}, longest).count());
    }

    /// Waits before something is tried again.
    void pause(std::chrono::milliseconds span) const {
        resilience::detail::InterruptibleSleep{}(
            std::min<std::chrono::nanoseconds>(span, ends_ - Clock::now()), stop_
        );
    }

    /// Why it is over.
    Failure failure(std::string detail) const {
        return fail(
            stop_.stop_requested() ? Errc::cancelled : Errc::timed_out, std::move(detail)
        );
    }

private:
    TimePoint ends_;
    std::stop_token stop_;
};

}  // namespace resilience::kafka::detail

#endif
