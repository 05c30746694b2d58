// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ENVIRONMENT_HPP
#define RESILIENCE_ENVIRONMENT_HPP

#include <resilience/clock.hpp>
#include <resilience/random.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace resilience {

/** Where policies that wait on a thread get time, sleep and randomness from.

    A class of this shape can replace it, such as the one of
    `<resilience/testing/virtual_environment.hpp>`, which moves a clock by hand. One whose
    instants are not those of @ref Clock says so by `static constexpr bool is_virtual =
    true`; then whoever waits for a slot sleeps by its `sleep_until`, which must be
    `noexcept`, until the end of the wait.

    @par Thread safety
    Safe: it holds no state.
*/
struct SystemEnvironment {
    TimePoint now() const noexcept { return Clock::now(); }

    /// Uniform random bits, from the thread's own generator.
    std::uint64_t random() const { return thread_random()(); }

    /// Sleeps until `when`, or until `stop` is requested. Returns whether it slept to the
    /// end.
    bool sleep_until(TimePoint when, const std::stop_token& stop) const {
        std::mutex mutex;
        std::condition_variable_any woken;
        std::unique_lock lock{mutex};
        woken.wait_until(lock, stop, when, [] { return false; });
        return !stop.stop_requested();
    }
};

}  // namespace resilience

#endif
