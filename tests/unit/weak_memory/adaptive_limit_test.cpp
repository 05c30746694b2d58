// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <resilience/adaptive_limit.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <utility>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

using Permit = AdaptiveLimit<>::Permit;

/// A limit that calls do not change.
AdaptiveLimitOptions fixed(std::uint32_t limit) {
    return {.initial = limit, .ceiling = limit, .window = 1h};
}

}  // namespace

TEST_CASE("weak memory: no more calls than an adaptive limit go ahead") {
    const Exploration all = explore([] {
        AdaptiveLimit<> limit{fixed(2), {}, start};
        std::optional<Permit> permits[3];
        run(
            {[&] { permits[0].emplace(limit.try_acquire(start)); },
             [&] { permits[1].emplace(limit.try_acquire(start)); },
             [&] { permits[2].emplace(limit.try_acquire(start)); }}
        );
        int ahead = 0;
        for (const auto& permit : permits) ahead += static_cast<bool>(*permit);
        demand(ahead == 2, "as many as may");
        for (auto& permit : permits) permit.reset();
        demand(limit.snapshot().in_flight == 0, "every permit came back");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a call sees what the one wrote that made room for it") {
    for (const bool abandoned : {false, true}) {
        const Exploration all = explore([abandoned] {
            AdaptiveLimit<> limit{fixed(1), {}, start};
            Plain<int> guarded{0};
            std::optional<Permit> held{limit.try_acquire(start)};
            run(
                {[&] {
                     guarded.set(1);
                     if (!abandoned) std::move(*held).done(Verdict::success, start);
                     held.reset();
                 },
                 [&] {
                     const auto permit = limit.try_acquire(start);
                     if (permit) demand(guarded.get() == 1, "it is there");
                 }}
            );
            demand(limit.snapshot().in_flight == 0, "every permit came back");
        });
        CHECK(all.failure == "");
        CHECK(all.complete);
    }
}

TEST_CASE("weak memory: a new limit keeps the calls in flight") {
    const Exploration all = explore([] {
        AdaptiveLimit<> limit{fixed(2), {}, start};
        std::optional<Permit> held{limit.try_acquire(start)};
        std::optional<Permit> next;
        run(
            {[&] { limit.reconfigure(fixed(1), start); },
             [&] { held.reset(); },
             [&] { next.emplace(limit.try_acquire(start)); }}
        );
        const auto seen = limit.snapshot();
        demand(seen.limit == 1, "it is the new one");
        demand(seen.in_flight == (*next ? 1 : 0), "the calls are");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: every call that ends is in one window") {
    const Exploration all = explore([] {
        detail::LimitSampler sampler;
        const auto end = [&] {
            sampler.add(detail::LimitSample::duration, 64ns, 64ns, 1);
        };
        std::uint32_t taken = 0;
        run({end, end, [&] { taken = sampler.take().samples; }});
        demand(taken + sampler.take().samples == 2, "none is lost, or told twice");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
