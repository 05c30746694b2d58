// SPDX-License-Identifier: MIT
// The code of docs/keyed-limiter.md.
#include <resilience/keyed_limiter.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

using namespace std::chrono_literals;
using resilience::Admission;
using resilience::KeyedLimiter;
using resilience::KeyedRequest;
using resilience::TimePoint;

namespace {

#if defined(__linux__)
//[pages
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
//]
#endif

}  // namespace

TEST_CASE("docs/keyed-limiter.md: use") {
    const std::string user = "ann";
    //[use
    KeyedLimiter limiter{
        {.limit = {.tokens = 10, .period = 1s, .burst = 20}, .keys = 1'000'000}};
    const Admission by_name = limiter.try_acquire(user);
    const Admission by_number = limiter.try_acquire(std::uint64_t{4711}, 5);
    //]
    CHECK(by_name);
    CHECK(by_number);
}

TEST_CASE("docs/keyed-limiter.md: windows") {
    //[windows
    resilience::BasicKeyedLimiter<resilience::SlidingWindow> limiter{
        {.limit = {.limit = 600, .window = 1min}, .keys = 50'000}};
    const Admission admission = limiter.try_acquire("203.0.113.7");
    //]
    CHECK(admission);
}

TEST_CASE("docs/keyed-limiter.md: group") {
    const TimePoint now{1h};
    KeyedLimiter limiter{{.limit = {.tokens = 10, .period = 1s, .burst = 10}}, now};
    limiter.charge("tenant-7", 9, now);
    //[group
    const KeyedRequest parts[] = {{"user-ann", 1}, {"tenant-7", 2}};
    const Admission all_or_none = limiter.try_acquire_all(parts, now);
    //]
    CHECK(all_or_none == Admission::refuse(100ms));
    CHECK(limiter.snapshot("user-ann", now).available == 10);
}

TEST_CASE("docs/keyed-limiter.md: batch") {
    const TimePoint now{1h};
    KeyedLimiter limiter{{.limit = {.tokens = 10, .period = 1s, .burst = 10}}, now};
    //[batch
    std::vector<KeyedRequest> requests;
    for (std::uint64_t user = 0; user < 64; ++user) requests.push_back({user, 1});
    std::array<Admission, 64> answers;
    const std::size_t admitted = limiter.try_acquire_each(requests, answers, now);
    //]
    CHECK(admitted == 64);
}

TEST_CASE("docs/keyed-limiter.md: reconfigure") {
    const TimePoint now{1h};
    KeyedLimiter limiter{{.limit = {.tokens = 10, .period = 1s, .burst = 10}}, now};
    CHECK(limiter.try_acquire("ann", 4, now));
    //[reconfigure
    auto options = limiter.options();
    options.limit = {.tokens = 50, .period = 1s, .burst = 100};
    limiter.reconfigure(options, now);
    CHECK(limiter.snapshot("ann", now).available == 6);
    CHECK(limiter.snapshot("bob", now).available == 100);  // never seen
    //]
}

#if defined(__linux__)
TEST_CASE("docs/keyed-limiter.md: memory") {
    //[memory
    HugePages huge_pages;
    KeyedLimiter limiter{{.keys = 200'000, .memory = &huge_pages}};
    //]
    CHECK(limiter.try_acquire(1));
}
#endif
