// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/detail/idlers.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

TEST_CASE("weak memory: of two idle workers each finds one of two tasks") {
    const Exploration all = explore([] {
        detail::Idlers idlers;
        detail::Atomic<int> tasks{0};
        const auto has_work = [&] { return tasks.load(std::memory_order_seq_cst) > 0; };
        // As TaskQueue::take does it, after it has found nothing.
        const auto worker = [&] {
            const bool searching = idlers.rest(false, 0ns, has_work);
            demand(tasks.fetch_sub(1) > 0, "whoever rests no more has a task");
            if (searching) idlers.found();
            if (has_work()) idlers.work_added();
        };
        run(
            {[&] {
                 tasks.store(2, std::memory_order_seq_cst);
                 idlers.work_added();
             },
             worker,
             worker}
        );
        demand(tasks.load() == 0, "both are taken");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
