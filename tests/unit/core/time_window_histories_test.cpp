// SPDX-License-Identifier: MIT
#include <resilience/detail/time_ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "unit/core/interleaving.hpp"
#include "unit/core/linearizability.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

using Window = detail::TimeRing<ActedAtomic>;

constexpr std::chrono::nanoseconds kWidth = 10ms;
const TimePoint t0 = TimePoint{} + 1h;

/// To count one call, to forget those of a generation, or to ask for the counts.
struct Operation {
    enum class Kind { records, forgets, asks } kind = Kind::records;
    std::uint32_t generation = 0;
    std::uint32_t lap = 0;
    CallOutcome outcome{};
    CallCounts answer{};
};

void add(CallCounts& counts, const CallOutcome& outcome) {
    ++counts.calls;
    if (outcome.failure) ++counts.failures;
    if (outcome.slow) ++counts.slow;
}

void perform(Window& window, Operation& o) {
    const TimePoint at = t0 + o.lap * kWidth;
    switch (o.kind) {
        case Operation::Kind::records:
            return window.record(o.generation, o.outcome, at, 0);
        case Operation::Kind::forgets:
            return window.forget(o.generation);
        case Operation::Kind::asks:
            o.answer = window.counts(o.generation, at);
    }
}

/// Remembers the calls of the newest generation and its newest bucket, one after the
/// other.
struct OneBucket {
    std::uint32_t generation = 0;
    std::uint32_t lap = 0;
    CallCounts counts{};

    bool apply(const Operation& o) {
        const bool same = o.generation == generation && o.lap == lap;
        switch (o.kind) {
            case Operation::Kind::asks:
                return o.answer == (same ? counts : CallCounts{});
            case Operation::Kind::forgets:
                if (o.generation == generation) counts = {};
                return true;
            case Operation::Kind::records:
                break;
        }
        const bool newer =
            o.generation == generation ? o.lap > lap : o.generation > generation;
        if (!same && !newer && counts.calls > 0) return true;
        if (!same) *this = {o.generation, o.lap, {}};
        add(counts, o.outcome);
        return true;
    }
};

Operation choose(Random& random) {
    using enum Operation::Kind;
    const std::uint64_t bits = random();
    return {
        .kind = bits % 8 == 0  ? forgets
                : bits % 8 < 4 ? asks
                               : records,
        .generation = (bits & 0x300) == 0 ? 1u : 0u,
        .lap = (bits & 0xc00) == 0 ? 1u : 0u,
        .outcome = {.failure = (bits & 0x1000) != 0, .slow = (bits & 0x6000) == 0}};
}

std::unique_ptr<Window> one_bucket() {
    return std::make_unique<Window>(kWidth.count(), 1, 1);
}

}  // namespace

TEST_CASE("the histories of a time window of one bucket are those of one count") {
    CHECK(
        count_bad_histories<Operation>(
            20'000, one_bucket, OneBucket{}, choose, perform
        ) == 0
    );
}

TEST_CASE("a history that no order of the calls explains is found out") {
    using enum Operation::Kind;
    const std::vector<Event<Operation>> history{
        {{.outcome = {.failure = true}}, 0, 1},
        {{.outcome = {}}, 2, 5},
        {{.kind = asks, .answer = {1, 1, 0}}, 3, 4},
        {{.kind = asks, .answer = {1, 1, 0}}, 6, 7}};
    CHECK_FALSE(is_linearizable(OneBucket{}, history));
    CHECK(is_linearizable(OneBucket{}, std::vector(history.begin(), history.end() - 1)));
}

TEST_CASE(
    "counts of several buckets miss no call that ended before, invent none, and of "
    "two that record and then count, one sees both"
) {
    for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
        CAPTURE(seed);
        Random random{seed};
        Window window(kWidth.count(), 4, 2);
        std::uint32_t begun = 0;
        std::uint32_t ended = 0;
        struct Look {
            std::uint32_t ended_before = 0;
            std::uint32_t seen = 0;
        };
        std::vector<Look> looks(3);
        std::vector<std::unique_ptr<Actor>> actors;
        std::vector<int> stages(3, 0);
        actors.resize(3);
        std::uint32_t left = 3;
        while (left > 0) {
            const std::size_t i = random() % 3;
            if (stages[i] == 4) continue;
            if (!actors[i]) {
                if (stages[i] == 0) {
                    ++begun;
                    actors[i] = std::make_unique<Actor>([&window, i] {
                        window.record(
                            0,
                            {.failure = true},
                            t0 + i * kWidth,
                            static_cast<std::uint32_t>(i)
                        );
                    });
                } else {
                    looks[i].ended_before = ended;
                    actors[i] = std::make_unique<Actor>([&window, &look = looks[i]] {
                        look.seen = window.counts(0, t0 + 3 * kWidth).failures;
                    });
                }
                ++stages[i];
            }
            if (!actors[i]->advance(1 + random() % 3)) continue;
            actors[i] = nullptr;
            if (stages[i] == 1) {
                ++ended;
            } else {
                CHECK(looks[i].seen >= looks[i].ended_before);
                CHECK(looks[i].seen <= begun);
                stages[i] = 4;
                --left;
            }
        }
        CHECK(std::max({looks[0].seen, looks[1].seen, looks[2].seen}) == 3);
    }
}
