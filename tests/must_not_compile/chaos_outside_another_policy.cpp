// SPDX-License-Identifier: MIT
// expect: chaos stands where the real fault would: last
#include <resilience/chaos.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/timeout.hpp>

using namespace resilience;

int main() {
    Chaos<> chaos;
#ifdef CORRECT
    Pipeline pipeline{AsListed{}, Timeout{}, chaos};
#else
    Pipeline pipeline{AsListed{}, chaos, Timeout{}};
#endif
    (void)pipeline.run([](CallContext&) { return 0; });
}
