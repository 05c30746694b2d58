// SPDX-License-Identifier: MIT
// expect: a circuit breaker outside a retry sees one failure for a whole loop of attempts
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
    CircuitBreaker breaker;
#ifdef CORRECT
    //[do
    // DO: each attempt asks the breaker.
    Pipeline pipeline{AsListed{}, NoDeadline{}, Retry{}, breaker};
    //]
#else
    //[dont
    // DON'T: one failure of the breaker for a whole loop of attempts. Does not compile.
    Pipeline pipeline{AsListed{}, NoDeadline{}, breaker, Retry{}};
    //]
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
