// SPDX-License-Identifier: MIT
// expect: a Deadline inside a retry bounds one attempt, not the whole
#include <resilience/deadline.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>

using namespace resilience;

int main() {
    Deadline deadline{std::chrono::seconds{1}};
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, deadline, Retry{}};
#else
    Pipeline pipeline{AsListed{}, Retry{}, deadline};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
