// SPDX-License-Identifier: MIT
// expect: a circuit breaker outside a hedge sees one outcome for several attempts
#include <resilience/circuit_breaker.hpp>
#include <resilience/hedge.hpp>
#include <resilience/pipeline.hpp>

using namespace resilience;

int main() {
    RetryBudget budget;
    Hedge hedge{{.idempotent = true}, budget};
    CircuitBreaker breaker;
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, hedge, breaker};
#else
    Pipeline pipeline{AsListed{}, breaker, hedge};
#endif
}
