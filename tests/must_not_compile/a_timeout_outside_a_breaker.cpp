// SPDX-License-Identifier: MIT
// expect: a Timeout outside a circuit breaker hides timeouts from it
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/timeout.hpp>

using namespace resilience;

int main() {
    CircuitBreaker breaker;
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, breaker, Timeout{}};
#else
    Pipeline pipeline{AsListed{}, Timeout{}, breaker};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
