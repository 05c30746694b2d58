// SPDX-License-Identifier: MIT
// expect: a stage of a pipeline needs a static member pipeline_stage, or to be a rate
// limiter
#include <resilience/deadline.hpp>
#include <resilience/pipeline.hpp>

using namespace resilience;

int main() {
#ifdef CORRECT
    Pipeline pipeline{Deadline{std::chrono::seconds{1}}};
#else
    Pipeline pipeline{42};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
