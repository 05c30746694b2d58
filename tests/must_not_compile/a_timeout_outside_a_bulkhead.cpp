// SPDX-License-Identifier: MIT
// expect: a Timeout outside a bulkhead counts the wait for a slot as slowness
#include <resilience/bulkhead.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/timeout.hpp>

using namespace resilience;

int main() {
    Bulkhead bulkhead;
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, bulkhead, Timeout{}};
#else
    Pipeline pipeline{AsListed{}, Timeout{}, bulkhead};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
