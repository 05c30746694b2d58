// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/detail/idlers.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

TEST_CASE("weak memory: no wake-up of an idle worker is lost") {
    const Exploration all = explore([] {
        detail::Idlers idlers;
        detail::Atomic<int> published{0};
        run(
            {[&] {
                 published.store(1, std::memory_order_seq_cst);
                 idlers.work_added();
             },
             [&] {
                 const auto has_work = [&] {
                     return published.load(std::memory_order_seq_cst) == 1;
                 };
                 bool searching = false;
                 while (!has_work()) searching = idlers.rest(searching, 0ns, has_work);
             }}
        );
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
