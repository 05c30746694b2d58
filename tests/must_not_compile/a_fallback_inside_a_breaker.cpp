// SPDX-License-Identifier: MIT
// expect: a fallback inside a circuit breaker hides the failures
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/pipeline.hpp>

using namespace resilience;

int main() {
    CircuitBreaker breaker;
    Fallback fallback{0};
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, fallback, breaker};
#else
    Pipeline pipeline{AsListed{}, breaker, fallback};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
