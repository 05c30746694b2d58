// SPDX-License-Identifier: MIT
// Guards the calls to one peer by a deadline, a budgeted retry, a circuit breaker, a
// bulkhead and a timeout.
//
// Run:    example_guard_a_call
// Prints: what becomes of a call while the peer stumbles, is down, is left alone, comes
//         back, and hangs.
//
// Time is made up here, so nothing sleeps and the output never changes; leave out
// `.with(...)` and the instants to use the real clock.
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/timeout.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

std::int64_t milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

/// A peer of which a script tells how it answers.
class Shop {
public:
    enum Mood { answers, refuses, hangs };

    explicit Shop(testing::ManualClock& clock) : clock_(clock) {}

    /// How the next calls go; those after them as the last.
    void will(std::vector<Mood> moods) {
        moods_ = std::move(moods);
        asked_ = 0;
    }

    Outcome<int> price(const CallContext& call) {
        const Mood mood = moods_[std::min(asked_++, moods_.size() - 1)];
        clock_.advance(5ms);
        if (mood == answers) return 42;
        if (mood == refuses) return fail(Errc::unavailable);
        clock_.set(call.deadline);  // waits for as long as it may
        return fail(Errc::cancelled_in_doubt);
    }

    std::size_t asked() const { return asked_; }

private:
    testing::ManualClock& clock_;
    std::vector<Mood> moods_{answers};
    std::size_t asked_ = 0;
};

void print(std::string_view what, const Outcome<int>& price, std::size_t asked) {
    std::cout << what << ": ";
    if (price) {
        std::cout << "costs " << *price;
    } else {
        std::cout << price.error().message();
        const auto wait = price.error().retry_after;
        if (wait > 0ns) std::cout << ", retry in " << milliseconds(wait) << " ms";
    }
    std::cout << " (asked " << asked << " times)\n";
}

}  // namespace

int main() {
    testing::ManualClock clock;
    Random random{1};
    Shop shop{clock};

    // What calls share is made once for each peer, and given to the pipeline as it is.
    RetryBudget budget{{}, clock.now()};
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{},
         .consecutive_failures = 3,
         .open_for = 10s,
         .probes = 1,
         .close_after = 1}};
    Bulkhead bulkhead{{.limit = 8}};
    auto calls =
        Pipeline{
            Deadline{2s},
            Retry{{.attempts = 3, .base = 50ms, .jitter = Jitter::none}, &budget},
            breaker,
            bulkhead,
            Timeout{{.limit = 500ms}}}
            .with(testing::VirtualEnvironment{clock, random});

    const auto ask = [&](std::string_view what, std::vector<Shop::Mood> moods) {
        shop.will(std::move(moods));
        const auto price = calls.run([&](CallContext& call) { return shop.price(call); });
        print(what, price, shop.asked());
    };
    ask("it answers", {Shop::answers});
    ask("it stumbles", {Shop::refuses, Shop::answers});
    ask("it is down", {Shop::refuses});
    ask("it is left alone", {Shop::answers});
    clock.advance(10s);
    ask("it is back", {Shop::answers});
    ask("it hangs", {Shop::hangs});

    const auto left = budget.snapshot(clock.now());
    std::cout << "retries that the budget would pay for: " << left.retries << "\n";
}
