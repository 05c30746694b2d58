// SPDX-License-Identifier: MIT
// expect: a registry holds policies to be changed
#include <resilience/circuit_breaker.hpp>
#include <resilience/registry.hpp>

using namespace resilience;

int main() {
    Registry registry;
#ifdef CORRECT
    auto breaker = std::make_shared<CircuitBreaker<>>();
#else
    auto breaker = std::make_shared<const CircuitBreaker<>>();
#endif
    (void)registry.add("peer", breaker);
}
