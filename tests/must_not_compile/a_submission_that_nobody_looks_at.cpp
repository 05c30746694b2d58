// SPDX-License-Identifier: MIT
// expect: nodiscard
#include <resilience/worker_pool.hpp>

#pragma GCC diagnostic error "-Wunused-result"

int main() {
    resilience::WorkerPool pool{{.threads = 1}};
#ifdef CORRECT
    if (!pool.try_submit([] {})) return 1;
#else
    pool.try_submit([] {});
#endif
}
