// SPDX-License-Identifier: MIT
// expect: the callable is too large for a task
#include <resilience/task.hpp>

#include <array>
#include <cstddef>

struct Large {
    std::array<std::byte, resilience::Task::capacity + 1> bytes{};
    void operator()() const {}
};

int main() {
#ifdef CORRECT
    resilience::Task task{resilience::boxed(Large{})};
#else
    resilience::Task task{Large{}};
#endif
}
