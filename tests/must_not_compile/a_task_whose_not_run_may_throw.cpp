// SPDX-License-Identifier: MIT
// expect: not_run must be noexcept
#include <resilience/task.hpp>

struct Work {
    void operator()() const {}
#ifdef CORRECT
    void not_run(resilience::Errc) const noexcept {}
#else
    void not_run(resilience::Errc) const {}
#endif
};

int main() { resilience::Task task{Work{}}; }
