// SPDX-License-Identifier: MIT
// expect: a task must move without throwing: submit resilience::boxed(f)
#include <resilience/task.hpp>

struct Work {
    Work() = default;
#ifdef CORRECT
    Work(Work&&) noexcept {}
#else
    Work(Work&&) {}
#endif
    void operator()() const {}
};

int main() { resilience::Task task{Work{}}; }
