// SPDX-License-Identifier: MIT
// What KeyedLimiter costs per call for few and for many keys, next to a bare clock read,
// to a bare compare-and-swap, of one word and of one among as many as there are slots,
// and to the map of buckets behind a lock that one would write without it. Keys are drawn
// uniformly, so with 1.5 million of them nearly every call misses the caches. Compare
// medians:
//
//   keyed_limiter --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <resilience/keyed_limiter.hpp>

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using namespace std::chrono_literals;
using resilience::Clock;
using resilience::KeyedLimiter;
using resilience::TimePoint;
using resilience::TokenBucket;
using resilience::TokenBucketOptions;

constexpr TokenBucketOptions kLimit{
    .tokens = 1'000'000, .period = 1s, .burst = 1'000'000};

/// The next of a sequence of numbers that look random.
std::uint64_t scramble(std::uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

void bare_clock_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Clock::now());
}
BENCHMARK(bare_clock_read);

void add_one(std::atomic<std::int64_t>& word) {
    std::int64_t seen = word.load(std::memory_order_relaxed);
    while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
    }
}

void bare_compare_and_swap(benchmark::State& state) {
    static std::atomic<std::int64_t> word{0};
    for (auto _ : state) add_one(word);
}
BENCHMARK(bare_compare_and_swap);

/// The least that a table can cost of which each key has a word: the word is fetched.
void bare_compare_and_swap_of_many(benchmark::State& state) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    std::vector<std::atomic<std::int64_t>> words(keys);
    for (auto& word : words) word.store(1, std::memory_order_relaxed);
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) add_one(words[scramble(random) % keys]);
}
BENCHMARK(bare_compare_and_swap_of_many)->Arg(1'000)->Arg(49'000)->Arg(1'500'000);

/// Memory of which the system may make huge pages.
class HugePages final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        void* const memory = ::operator new (bytes, std::align_val_t{alignment});
        madvise(memory, bytes, MADV_HUGEPAGE);
        return memory;
    }
    void do_deallocate(void* memory, std::size_t, std::size_t alignment) override {
        ::operator delete (memory, std::align_val_t{alignment});
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

std::pmr::memory_resource* huge_pages() {
    static HugePages memory;
    return &memory;
}

/// A table in which every key has a slot and is never full while the benchmark runs.
std::unique_ptr<KeyedLimiter> make_full_table(
    std::uint64_t keys,
    TimePoint now,
    std::pmr::memory_resource* memory = std::pmr::new_delete_resource()
) {
    auto limiter = std::make_unique<KeyedLimiter>(
        resilience::KeyedLimiterOptions{.limit = kLimit, .keys = keys, .memory = memory},
        now
    );
    for (std::uint64_t key = 0; key < keys; ++key) limiter->charge(key, 10'000'000, now);
    for (std::uint64_t key = 0; key < keys; ++key) limiter->reset(key, now + 9s + 500ms);
    return limiter;
}

void admit_number(benchmark::State& state, bool huge) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now{1h};
    const auto limiter =
        huge ? make_full_table(keys, now, huge_pages()) : make_full_table(keys, now);
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) {
        bool admitted =
            limiter->try_acquire(scramble(random) % keys, 1, now + 9s + 500ms).admitted;
        benchmark::DoNotOptimize(admitted);
    }
    const auto stats = limiter->stats(now);
    state.counters["bytes_a_key"] = 17.0 * double(stats.slots) / double(keys);
    state.counters["overflows"] = double(stats.overflows);
}
BENCHMARK_CAPTURE(admit_number, usual_pages, false)
    ->Arg(1'000)
    ->Arg(49'000)
    ->Arg(1'500'000);
BENCHMARK_CAPTURE(admit_number, huge_pages, true)->Arg(49'000)->Arg(1'500'000);

// The time is that of one key, of batches of 64.
void admit_batch(benchmark::State& state, bool huge) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now{1h};
    const auto limiter =
        huge ? make_full_table(keys, now, huge_pages()) : make_full_table(keys, now);
    std::uint64_t random = 88172645463325252;
    std::vector<resilience::KeyedRequest> requests(64, {0});
    std::array<resilience::Admission, 64> answers;
    while (state.KeepRunningBatch(64)) {
        for (auto& request : requests) request.key = scramble(random) % keys;
        limiter->try_acquire_each(requests, answers, now + 9s + 500ms);
        benchmark::DoNotOptimize(answers);
    }
}
BENCHMARK_CAPTURE(admit_batch, usual_pages, false)->Arg(49'000)->Arg(1'500'000);
BENCHMARK_CAPTURE(admit_batch, huge_pages, true)->Arg(49'000)->Arg(1'500'000);

void admit_number_with_clock(benchmark::State& state) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now = Clock::now();
    const auto limiter = make_full_table(keys, now);
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) {
        bool admitted = limiter->try_acquire(scramble(random) % keys).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_number_with_clock)->Arg(49'000)->Arg(1'500'000);

void refuse_number(benchmark::State& state) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now{1h};
    KeyedLimiter limiter{{.limit = kLimit, .keys = keys}, now};
    for (std::uint64_t key = 0; key < keys; ++key) limiter.charge(key, 10'000'000, now);
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) {
        bool admitted = limiter.try_acquire(scramble(random) % keys, 1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(refuse_number)->Arg(49'000)->Arg(1'500'000);

void admit_text(benchmark::State& state) {
    const auto count = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now{1h};
    KeyedLimiter limiter{{.limit = kLimit, .keys = count}, now};
    std::vector<std::string> keys;
    for (std::uint64_t i = 0; i < count; ++i)
        keys.push_back("tenant-7/user-" + std::to_string(i));
    for (const std::string& key : keys) limiter.charge(key, 1, now);
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) {
        bool admitted =
            limiter.try_acquire(keys[scramble(random) % count], 1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_text)->Arg(49'000);

// Each call brings a key that was never seen, and takes over the slot of one that is full
// again.
void admit_new_key(benchmark::State& state) {
    const TokenBucketOptions quick{.tokens = 1'000'000'000, .period = 1s, .burst = 10};
    TimePoint now{1h};
    KeyedLimiter limiter{{.limit = quick, .keys = 49'000}, now};
    std::uint64_t key = 0;
    for (auto _ : state) {
        now += 1ns;
        bool admitted = limiter.try_acquire(++key, 1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(admit_new_key);

void map_of_buckets_behind_a_lock(benchmark::State& state) {
    const auto keys = static_cast<std::uint64_t>(state.range(0));
    const TimePoint now{1h};
    std::mutex mutex;
    std::unordered_map<std::uint64_t, std::unique_ptr<TokenBucket>> buckets;
    for (std::uint64_t key = 0; key < keys; ++key) {
        buckets.emplace(key, std::make_unique<TokenBucket>(kLimit));
        buckets[key]->try_acquire(1, now);
    }
    std::uint64_t random = 88172645463325252;
    for (auto _ : state) {
        const std::lock_guard lock{mutex};
        bool admitted = buckets.at(scramble(random) % keys)->try_acquire(1, now).admitted;
        benchmark::DoNotOptimize(admitted);
    }
}
BENCHMARK(map_of_buckets_behind_a_lock)->Arg(49'000)->Arg(1'500'000);

}  // namespace

BENCHMARK_MAIN();
