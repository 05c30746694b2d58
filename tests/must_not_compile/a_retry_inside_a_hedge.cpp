// SPDX-License-Identifier: MIT
// expect: a retry inside a hedge multiplies attempts while the peer is slow
#include <resilience/hedge.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
    RetryBudget budget;
    Hedge hedge{{.idempotent = true}, budget};
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, NoDeadline{}, Retry{}, hedge};
#else
    Pipeline pipeline{AsListed{}, NoDeadline{}, hedge, Retry{}};
#endif
}
