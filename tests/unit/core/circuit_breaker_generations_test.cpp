// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>
#include <variant>

#include "unit/core/circuit_calls.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

/// A window before each record of which something may happen.
template <class Window, class Options>
class InterruptedWindow {
public:
    explicit InterruptedWindow(const WindowOptions& options)
        : window_(std::get<Options>(options)) {}

    /// What happens before the next record, as if it were another thread's.
    static inline std::function<void()> interruption;

    void record(std::uint32_t generation, CallOutcome outcome, TimePoint now) noexcept {
        if (const auto happening = std::exchange(interruption, nullptr)) {
            happening();
        }
        window_.record(generation, outcome, now);
    }
    CallCounts counts(std::uint32_t generation, TimePoint now) const noexcept {
        return window_.counts(generation, now);
    }
    void forget(std::uint32_t generation) noexcept { window_.forget(generation); }

private:
    Window window_;
};

using Counted = InterruptedWindow<CountWindow, CountWindowOptions>;
using Timed = InterruptedWindow<TimeWindow, TimeWindowOptions>;

/// Ends a call while the call of another thread opens the circuit, lets `failed_probes`
/// probes fail, closes it, and returns how many failures in a row it then lets through,
/// at most 100.
template <class Window>
int failures_after_a_late_record(const WindowOptions& options, int failed_probes) {
    TimePoint now = t0;
    CircuitBreaker<NoObserver, Window> breaker{
        {.window = options,
         .failure_ratio = 0.5,
         .min_calls = 5,
         .open_for = 1s,
         .probes = 1,
         .close_after = 1}};
    for (int i = 0; i < 4; ++i) call(breaker, Verdict::transient, now);
    auto late = breaker.try_acquire(now);
    Window::interruption = [&] { call(breaker, Verdict::transient, now); };
    std::move(late).done(Verdict::transient, now);
    REQUIRE(breaker.state(now) == CircuitState::open);

    for (int i = 0; i < failed_probes; ++i) {
        now += 1s;
        call(breaker, Verdict::transient, now);
    }
    now += 1s;
    call(breaker, Verdict::success, now);
    REQUIRE(breaker.state(now) == CircuitState::closed);
    int let_through = 0;
    while (let_through < 100 && call(breaker, Verdict::transient, now)) ++let_through;
    return let_through;
}

template <class Window>
void demand_that_it_opens_after_any_outage(const WindowOptions& options) {
    // A window tells 64 generations apart, and a failed probe is two.
    for (int failed_probes = 0; failed_probes <= 70; ++failed_probes) {
        CAPTURE(failed_probes);
        CHECK(failures_after_a_late_record<Window>(options, failed_probes) == 5);
    }
}

}  // namespace

TEST_CASE("generations are ordered across their wrap") {
    for (const std::uint64_t count : {std::uint64_t{64}, std::uint64_t{1} << 19}) {
        CAPTURE(count);
        for (std::uint64_t ahead = 0; ahead < count; ++ahead) {
            const bool expected = ahead > 0 && ahead < count / 2;
            for (const std::uint64_t from : {std::uint64_t{0}, count / 2, count - 1}) {
                if (detail::is_later((from + ahead) % count, from, count) == expected)
                    continue;
                FAIL("from " << from << " to " << ahead << " ahead");
            }
        }
    }
}

TEST_CASE("a call counted after the circuit opened does not blind a count window") {
    demand_that_it_opens_after_any_outage<Counted>(CountWindowOptions{.calls = 10});
}

TEST_CASE("a call counted after the circuit opened does not blind a time window") {
    demand_that_it_opens_after_any_outage<Timed>(TimeWindowOptions{
        .length = 1000s, .buckets = 1});
    demand_that_it_opens_after_any_outage<Timed>(TimeWindowOptions{
        .length = 1000s, .buckets = 16});
}

TEST_CASE("failures in a row open a circuit after an outage of any length") {
    // Generations are 19 bits, and a failed probe is two.
    for (const int failed_probes : {0, 1, 131'071, 131'073, 200'000, 262'143}) {
        CAPTURE(failed_probes);
        CircuitBreakerOptions options = CircuitBreakerOptions::mailflow();
        options.open_for = 1s;
        options.reopen_after = 1;
        CircuitBreaker breaker{options};
        TimePoint now = t0;
        open(breaker, now);
        for (int i = 0; i < failed_probes; ++i) {
            now += 1s;
            call(breaker, Verdict::transient, now);
        }
        now += 1s;
        while (breaker.state(now) != CircuitState::closed) {
            REQUIRE(call(breaker, Verdict::success, now));
        }
        int let_through = 0;
        while (let_through < 100 && call(breaker, Verdict::transient, now)) ++let_through;
        CHECK(let_through == 5);
    }
}
