// SPDX-License-Identifier: MIT
// expect: a bulkhead outside a retry holds its slot while the retry sleeps
#include <resilience/bulkhead.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
    Bulkhead bulkhead;
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, NoDeadline{}, Retry{}, bulkhead};
#else
    Pipeline pipeline{AsListed{}, NoDeadline{}, bulkhead, Retry{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
