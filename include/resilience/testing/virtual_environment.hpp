// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_VIRTUAL_ENVIRONMENT_HPP
#define RESILIENCE_TESTING_VIRTUAL_ENVIRONMENT_HPP

#include <resilience/clock.hpp>
#include <resilience/random.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <cstdint>
#include <stop_token>

namespace resilience::testing {

/** Time, sleep and randomness of a pipeline under test: sleeping moves the clock.

    Give it to `Pipeline::with`; a pipeline keeps a copy, which works on the same clock.
    Waiting for the slot of a bulkhead moves the clock as well: to the end of the wait,
    unless the slot came back meanwhile. Where neither `BulkheadOptions::max_wait` nor a
    deadline bounds the wait, that is the end of time: `TimePoint::max()`.

    @par Thread safety
    Unsafe: for pipelines that one thread runs.

    @par Object lifetimes
    Clock and generator must outlive it and its copies.
*/
class VirtualEnvironment {
public:
    static constexpr bool is_virtual = true;

    VirtualEnvironment(ManualClock& clock, Random& random) noexcept
        : clock_(&clock), random_(&random) {}

    TimePoint now() const noexcept { return clock_->now(); }

    std::uint64_t random() const noexcept { return (*random_)(); }

    /// Sets the clock to `when`, unless that is past or `stop` is requested. Returns
    /// whether it "slept" to the end.
    bool sleep_until(TimePoint when, const std::stop_token& stop) const noexcept {
        if (stop.stop_requested()) return false;
        if (when > clock_->now()) clock_->set(when);
        return true;
    }

private:
    ManualClock* clock_;
    Random* random_;
};

}  // namespace resilience::testing

#endif
