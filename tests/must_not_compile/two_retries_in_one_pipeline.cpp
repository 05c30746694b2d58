// SPDX-License-Identifier: MIT
// expect: two retries in one pipeline multiply their attempts
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
#ifdef CORRECT
    Pipeline pipeline{NoDeadline{}, Retry{}};
#else
    Pipeline pipeline{NoDeadline{}, Retry{}, Retry{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
