// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_CORE_CALLBACKS_HPP
#define RESILIENCE_TESTS_UNIT_CORE_CALLBACKS_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <utility>

namespace resilience::testing {

inline constexpr TimePoint kStart{std::chrono::hours{1}};

/// Calls back for each event of any kind, but not for those that its own call causes.
struct Back {
    std::function<void()>* call;
    int* events;

    template <class Event>
    void on(const Event&) noexcept {
        ++*events;
        if (auto again = std::exchange(*call, nullptr)) {
            again();
            *call = std::move(again);
        }
    }
};

/// A callback that stands still until it is told to go on.
class Gate {
public:
    /// Blocks whoever calls it first; others pass.
    void pass() noexcept {
        if (!taken_.exchange(true)) {
            reached_.count_down();
            open_.wait();
        }
    }
    void await() { reached_.wait(); }
    void open() { open_.count_down(); }

private:
    std::atomic<bool> taken_{false};
    std::latch reached_{1};
    std::latch open_{1};
};

struct Blocking {
    Gate* gate;
    template <class Event>
    void on(const Event&) noexcept {
        gate->pass();
    }
};

template <class Policy>
void call(Policy& policy, Verdict verdict, TimePoint now = kStart) {
    auto permit = policy.try_acquire(now);
    if (permit) std::move(permit).done(verdict, now);
}

}  // namespace resilience::testing

#endif
