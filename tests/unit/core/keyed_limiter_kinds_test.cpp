// SPDX-License-Identifier: MIT
// The table of limiters other than buckets, and what it does alike for all.
#include <resilience/keyed_limiter.hpp>
#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "unit/core/bucket_oracle.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

const TimePoint t0 = TimePoint{} + 1h;
constexpr std::array<std::uint64_t, 2> kSecret{21, 22};

/// Ten a second.
template <class Limiter>
typename Limiter::Options ten() {
    typename Limiter::Options o{};
    if constexpr (std::is_same_v<Limiter, TokenBucket>) {
        o.tokens = o.burst = 10;
    } else if constexpr (std::is_same_v<Limiter, LeakyBucket>) {
        o.units = o.capacity = 10;
    } else {
        o.limit = 10;
    }
    return o;
}

template <class Limiter>
BasicKeyedLimiterOptions<typename Limiter::Options> table_of(std::size_t keys) {
    return {.limit = ten<Limiter>(), .keys = keys, .hash_key = kSecret};
}

/// Memory that counts what is taken from it.
struct CountingMemory final : std::pmr::memory_resource {
    std::size_t bytes = 0;
    std::size_t alignment = 0;

    void* do_allocate(std::size_t size, std::size_t align) override {
        bytes += size;
        alignment = std::max(alignment, align);
        return std::pmr::new_delete_resource()->allocate(size, align);
    }
    void do_deallocate(void* memory, std::size_t size, std::size_t align) override {
        bytes -= size;
        std::pmr::new_delete_resource()->deallocate(memory, size, align);
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

}  // namespace

#define EVERY_LIMITER TokenBucket, SlidingWindow, FixedWindow, LeakyBucket

TEST_CASE_TEMPLATE(
    "P10: 64 slots serve 5000 keys as 5000 limiters would", L, EVERY_LIMITER
) {
    Random random{60'000};
    BasicKeyedLimiter<L> table{table_of<L>(44), at(3'600'000'000'000)};
    REQUIRE(table.stats(t0).slots == 64);
    std::map<std::int64_t, L> alone;
    std::int64_t now = 3'600'000'000'000;
    for (int step = 0; step < 20'000; ++step) {
        now += random.in(0, 100'000'000);
        // Some keys are busy, most are new or return after a while.
        const std::int64_t key = random.one_in(3) ? random.in(0, 9) : random.in(0, 5000);
        L& own = alone.try_emplace(key, ten<L>()).first->second;
        const auto n = static_cast<std::uint32_t>(random.in(0, 11));
        CAPTURE(step);
        REQUIRE(table.snapshot(key, at(now)) == own.snapshot(at(now)));
        REQUIRE(table.peek(key, n, at(now)) == own.peek(n, at(now)));
        REQUIRE(table.try_acquire(key, n, at(now)) == own.try_acquire(n, at(now)));
    }
    REQUIRE(alone.size() > 3'000);
    REQUIRE(table.stats(at(now)).overflows == 0);
}

TEST_CASE_TEMPLATE(
    "P10: without room a table is stricter, and never looser for any key",
    L,
    EVERY_LIMITER
) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        Random random{61'000 + seed};
        INFO("seed " << random.seed);
        BasicKeyedLimiter<L> table{table_of<L>(11), t0};
        std::map<std::int64_t, L> alone;
        std::int64_t now = 3'600'000'000'000;
        int stricter = 0;
        for (int step = 0; step < 10'000; ++step) {
            now += random.in(0, 5'000'000);
            const std::int64_t clock =
                now - (random.one_in(4) ? random.in(0, 1 << 30) : 0);
            const std::int64_t key = random.in(0, 150);
            L& own = alone.try_emplace(key, ten<L>()).first->second;
            const auto n = static_cast<std::uint32_t>(random.in(1, 10));
            const bool fits = own.peek(n, at(clock)).admitted;
            if (table.try_acquire(key, n, at(clock))) {
                REQUIRE(fits);
                REQUIRE(own.try_acquire(n, at(clock)));
            } else {
                stricter += fits;
            }
        }
        CHECK(stricter > 0);
        CHECK(table.stats(at(now)).overflows > 0);
    }
}

TEST_CASE_TEMPLATE("what is refunded or reset is there again, once", L, EVERY_LIMITER) {
    BasicKeyedLimiter<L> table{table_of<L>(100), t0};
    const Reservation r = table.reserve("ann", 4, t0);
    REQUIRE(r.granted);
    CHECK(table.snapshot("ann", t0).available < 10);
    CHECK(table.refund("ann", r, t0));
    CHECK(table.snapshot("ann", t0).available == 10);

    const Reservation s = table.reserve("bob", 10, t0);
    CHECK_FALSE(table.reserve("bob", 1, t0).granted);
    CHECK(table.reset("bob", t0));
    CHECK(table.snapshot("bob", t0).available == 10);
    CHECK(table.try_acquire("bob", 10, t0));
    CHECK_FALSE(table.refund("bob", s, t0));
    CHECK_FALSE(table.try_acquire("bob", 1, t0));
    CHECK_FALSE(table.refund("bob", Reservation{}, t0));
}

TEST_CASE_TEMPLATE("P12: a group takes every part or none", L, EVERY_LIMITER) {
    BasicKeyedLimiter<L> table{table_of<L>(100), t0};
    CHECK(table.try_acquire("tenant", 9, t0));
    const KeyedRequest group[] = {{"user", 2}, {"tenant", 3}, {"global", 1}};
    CHECK_FALSE(table.try_acquire_all(group, t0));
    CHECK(table.snapshot("user", t0).available == 10);
    CHECK(table.snapshot("global", t0).available == 10);
    const Admission later = table.try_acquire_all(group, t0);
    CHECK(table.try_acquire_all(group, t0 + later.retry_after));
}

TEST_CASE_TEMPLATE(
    "a batch is decided as its requests would be in turn", L, EVERY_LIMITER
) {
    Random random{62'000};
    BasicKeyedLimiter<L> together{table_of<L>(44), t0}, apart{table_of<L>(44), t0};
    TimePoint now = t0;
    for (int round = 0; round < 500; ++round) {
        now += std::chrono::nanoseconds{random.in(0, 300'000'000)};
        std::vector<std::string> names;
        for (int i = 0; i < 40; ++i) names.push_back(std::to_string(random.in(0, 30)));
        std::vector<KeyedRequest> requests;
        for (std::int64_t i = random.in(0, 40); i > 0; --i) {
            const auto n = static_cast<std::uint32_t>(random.in(0, 11));
            if (random.one_in(2)) {
                requests.push_back({names[static_cast<std::size_t>(i - 1)], n});
            } else {
                requests.push_back({random.in(0, 30), n});
            }
        }
        std::vector<Admission> answers(requests.size());
        const std::size_t admitted = together.try_acquire_each(requests, answers, now);
        std::size_t expected = 0;
        for (std::size_t i = 0; i < requests.size(); ++i) {
            const Admission own = apart.try_acquire(requests[i].key, requests[i].n, now);
            REQUIRE(answers[i] == own);
            expected += own.admitted ? 1 : 0;
        }
        REQUIRE(admitted == expected);
    }
}

TEST_CASE("a batch with fewer answers than requests decides as many as it can answer") {
    KeyedLimiter table{table_of<TokenBucket>(100), t0};
    const KeyedRequest requests[] = {{1, 10}, {2, 10}, {3, 10}};
    std::array<Admission, 2> answers;
    CHECK(table.try_acquire_each(requests, answers, t0) == 2);
    CHECK(table.try_acquire(3, 10, t0));
    CHECK(table.try_acquire_each({}, answers, t0) == 0);
    CHECK(table.try_acquire_each(requests, {}, t0) == 0);
}

TEST_CASE_TEMPLATE(
    "no call of a table allocates, and a key costs 24 bytes", L, EVERY_LIMITER
) {
    CountingMemory memory;
    {
        auto options = table_of<L>(100'000);
        options.memory = &memory;
        BasicKeyedLimiter<L> table{options, t0};
        CHECK(memory.bytes > 0);
        CHECK(memory.bytes <= 100'000 * 24 + 256);
        CHECK(memory.alignment >= 2 << 20);
        const AllocationCounter counter;
        const std::size_t before = memory.bytes;
        std::array<KeyedRequest, 3> group{{{1}, {2}, {3}}};
        std::array<Admission, 3> answers;
        for (int key = 0; key < 20'000; ++key) {
            const TimePoint now = t0 + key * 10us;
            static_cast<void>(table.try_acquire(key, 7, now));
            static_cast<void>(table.try_acquire(key, 7, now));
            static_cast<void>(table.peek(key, 1, now));
            group[1].key = key;
            static_cast<void>(table.try_acquire_all(group, now));
            static_cast<void>(table.try_acquire_each(group, answers, now));
        }
        CHECK(counter.made() == 0);
        CHECK(memory.bytes == before);
    }
    CHECK(memory.bytes == 0);
}

TEST_CASE_TEMPLATE(
    "threads share the limits of keys exactly", L, TokenBucket, SlidingWindow, FixedWindow
) {
    for (int round = 0; round < 20; ++round) {
        BasicKeyedLimiter<L> table{table_of<L>(500), t0};
        std::atomic<int> admitted{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                int mine = 0;
                for (int key = 0; key < 300; ++key) {
                    for (int n = 0; n < 5; ++n) {
                        mine += table.try_acquire(key, 1, t0).admitted;
                    }
                }
                admitted += mine;
            });
        }
        for (std::thread& t : threads) t.join();
        REQUIRE(table.stats(t0).overflows == 0);
        REQUIRE(admitted == 300 * 10);
    }
}

TEST_CASE("two windows' states are joined to one that is as strict as either") {
    const auto law = SlidingWindow::make_law({.limit = 10, .window = 1s});
    Random random{63'000};
    for (int i = 0; i < 20'000; ++i) {
        const auto any = [&](std::int64_t now) {
            std::int64_t word = 0;
            for (int calls = 0; calls < 3; ++calls) {
                const auto n = static_cast<std::uint32_t>(random.in(1, 10));
                const auto taking = law.take(word, n, law.moment(now));
                if (taking.answer) word = taking.next;
                now += random.in(0, 1'500'000'000);
            }
            return word;
        };
        const std::int64_t start = random.in(0, 5'000'000'000);
        const std::int64_t a = any(start), b = any(start + random.in(0, 2'000'000'000));
        const auto now = law.moment(start + random.in(0, 6'000'000'000));
        const auto n = static_cast<std::uint32_t>(random.in(1, 10));
        if (law.take(law.join(a, b), n, now).answer) {
            REQUIRE(law.take(a, n, now).answer);
            REQUIRE(law.take(b, n, now).answer);
        }
    }
}

TEST_CASE("two numbers never have one hash, and small ones are spread over the table") {
    const resilience::detail::KeyHash hash{{31, 32}};
    std::vector<std::uint64_t> hashes;
    std::array<int, 256> high{}, low{};
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        const std::uint64_t h = hash(i);
        hashes.push_back(h);
        ++high[h >> 56];
        ++low[h >> 24 & 0xff];
    }
    std::sort(hashes.begin(), hashes.end());
    CHECK(std::unique(hashes.begin(), hashes.end()) == hashes.end());
    // 390 each on the average.
    CHECK(*std::min_element(high.begin(), high.end()) > 250);
    CHECK(*std::max_element(high.begin(), high.end()) < 550);
    CHECK(*std::min_element(low.begin(), low.end()) > 250);
    CHECK(*std::max_element(low.begin(), low.end()) < 550);
    CHECK(
        resilience::detail::KeyHash{{31, 33}}(std::uint64_t{1}) != hash(std::uint64_t{1})
    );
}

TEST_CASE("the options of a table of any limiter are refused by name") {
    const auto refusal = [](const auto& make) -> std::string {
        try {
            make();
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return {};
    };
    using Fixed = BasicKeyedLimiter<FixedWindow>;
    using Sliding = BasicKeyedLimiter<SlidingWindow>;
    using Leaky = BasicKeyedLimiter<LeakyBucket>;
    const auto names = [](const std::string& message, const char* field) {
        return message.find(field) != std::string::npos;
    };
    CHECK(names(
        refusal([] { Fixed{{.limit = {.limit = 0}}}; }), "FixedWindowOptions::limit"
    ));
    CHECK(names(
        refusal([] { Sliding{{.limit = {.window = 0s}}}; }),
        "SlidingWindowOptions::window"
    ));
    CHECK(names(
        refusal([] { Leaky{{.limit = {.units = 0}}}; }), "LeakyBucketOptions::units"
    ));
    CHECK(names(refusal([] { Fixed{{.keys = 0}}; }), "KeyedLimiterOptions::keys"));
    CHECK(names(refusal([] { Fixed{{.memory = nullptr}}; }), "KeyedLimiterOptions::mem"));
}
