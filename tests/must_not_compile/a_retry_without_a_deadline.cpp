// SPDX-License-Identifier: MIT
// expect: a retry without a total deadline may outlive its caller
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
#ifdef CORRECT
    Pipeline pipeline{NoDeadline{}, Retry{}};
#else
    Pipeline pipeline{Retry{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
