// SPDX-License-Identifier: MIT
// expect: two hedges in one pipeline multiply their attempts
#include <resilience/hedge.hpp>
#include <resilience/pipeline.hpp>

using namespace resilience;

int main() {
    RetryBudget budget;
    Hedge hedge{{.idempotent = true}, budget};
#ifdef CORRECT
    Pipeline pipeline{hedge};
#else
    Pipeline pipeline{hedge, hedge};
#endif
}
