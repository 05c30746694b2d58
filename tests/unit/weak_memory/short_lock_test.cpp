// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/detail/short_lock.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <mutex>
#include <vector>

using namespace resilience;
using namespace resilience::testing::weak;

TEST_CASE("weak memory: a short lock orders what it guards, and wakes who waits") {
    const auto explored = [](int looks, std::size_t threads) {
        detail::contended_looks = looks;
        const Exploration all = explore([=] {
            detail::ShortLock mutex;
            Plain<int> guarded{0};
            const auto add = [&] {
                const std::lock_guard lock{mutex};
                guarded.set(guarded.get() + 1);
            };
            std::vector<Explorer::Work> work(threads, add);
            work.push_back([&] {
                guarded.set(guarded.get() + 1);
                mutex.unlock();
            });
            mutex.lock();
            run(work);
            demand(guarded.get() == static_cast<int>(threads) + 1, "one at a time");
        });
        CHECK(all.failure == "");
        CHECK(all.complete);
    };
    explored(1, 1);
    explored(0, 2);
    detail::contended_looks = 1;
}
