// SPDX-License-Identifier: MIT
// expect: a hedge makes attempts side by side: run the pipeline by co_run or async_run
#include <resilience/hedge.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/timeout.hpp>

using namespace resilience;

int main() {
    RetryBudget budget;
    Hedge hedge{{.idempotent = true}, budget};
#ifdef CORRECT
    Pipeline pipeline{Timeout{}};
    (void)hedge;
#else
    Pipeline pipeline{hedge, Timeout{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
