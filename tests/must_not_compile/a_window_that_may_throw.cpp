// SPDX-License-Identifier: MIT
// expect: CallWindow
#include <resilience/circuit_breaker.hpp>

using namespace resilience;

struct Window {
#ifdef CORRECT
    void record(std::uint32_t, CallOutcome, TimePoint) noexcept {}
#else
    void record(std::uint32_t, CallOutcome, TimePoint) {}
#endif
    CallCounts counts(std::uint32_t, TimePoint) const noexcept { return {}; }
};

int main() {
    CircuitBreaker<NoObserver, Window>* breaker = nullptr;
    (void)breaker;
}
