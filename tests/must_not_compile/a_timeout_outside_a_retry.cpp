// SPDX-License-Identifier: MIT
// expect: a Timeout outside a retry cuts an attempt short
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/timeout.hpp>

using namespace resilience;

int main() {
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, NoDeadline{}, Retry{}, Timeout{}};
#else
    Pipeline pipeline{AsListed{}, NoDeadline{}, Timeout{}, Retry{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
