// SPDX-License-Identifier: MIT
// expect: a fallback inside a retry hides the failures
#include <resilience/fallback.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
    Fallback fallback{0};
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, NoDeadline{}, fallback, Retry{}};
#else
    Pipeline pipeline{AsListed{}, NoDeadline{}, Retry{}, fallback};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
