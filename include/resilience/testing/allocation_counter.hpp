// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_ALLOCATION_COUNTER_HPP
#define RESILIENCE_TESTING_ALLOCATION_COUNTER_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

namespace resilience::testing {

namespace detail {

inline constexpr std::uint64_t kNeverFail = std::numeric_limits<std::uint64_t>::max();

/// What the calling thread has asked of `operator new`.
struct AllocationTally {
    std::uint64_t made = 0;
    std::uint64_t bytes = 0;
    std::uint64_t freed = 0;
    std::uint64_t fail_at = kNeverFail;
    std::uint64_t failed = 0;
};

inline AllocationTally& allocation_tally() noexcept {
    thread_local constinit AllocationTally tally;
    return tally;
}

/// No allocation fails as long as it lives, and none counts towards the one that is to
/// fail: for what stands in a test for something that does not allocate.
class UnfailingAllocations {
public:
    UnfailingAllocations() noexcept
        : made_before_(allocation_tally().made),
          fail_at_(std::exchange(allocation_tally().fail_at, kNeverFail)) {}

    UnfailingAllocations(const UnfailingAllocations&) = delete;
    UnfailingAllocations& operator=(const UnfailingAllocations&) = delete;

    ~UnfailingAllocations() {
        if (fail_at_ == kNeverFail) return;
        AllocationTally& tally = allocation_tally();
        tally.fail_at = fail_at_ + (tally.made - made_before_);
    }

private:
    std::uint64_t made_before_;
    std::uint64_t fail_at_;
};

inline void* allocate(std::size_t size, std::align_val_t alignment = {}) {
    AllocationTally& tally = allocation_tally();
    if (tally.made == tally.fail_at) {
        tally.fail_at = kNeverFail;
        ++tally.failed;
        throw std::bad_alloc{};
    }
    ++tally.made;
    tally.bytes += size;
    if (size == 0) size = 1;
    const auto multiple = static_cast<std::size_t>(alignment);
    void* block = nullptr;
    if (multiple > alignof(std::max_align_t)) {
        const std::size_t whole = (size + multiple - 1) / multiple * multiple;
        block = whole >= size ? std::aligned_alloc(multiple, whole) : nullptr;
    } else {
        block = std::malloc(size);
    }
    if (!block) throw std::bad_alloc{};
    return block;
}

inline void* allocate_or_null(
    std::size_t size, std::align_val_t alignment = {}
) noexcept {
    try {
        return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

inline void deallocate(void* block) noexcept {
    if (!block) return;
    ++allocation_tally().freed;
    std::free(block);
}

inline void require_counting() {
    const std::uint64_t before = allocation_tally().made;
    // A call of the function, unlike a new-expression, is not optimised away.
    ::operator delete(::operator new(1));
    if (allocation_tally().made == before) {
        throw std::logic_error(
            "allocations are not counted: put RESILIENCE_COUNT_ALLOCATIONS into a "
            "source file of the program"
        );
    }
}

}  // namespace detail

/** Counts what the calling thread allocates with `operator new` from here on.

    A source file of the test program says @ref RESILIENCE_COUNT_ALLOCATIONS.

    @par Thread safety
    Belongs to the thread that made it.

    @par Example
    @code
    testing::AllocationCounter counter;
    bucket.try_acquire();
    CHECK(counter.made() == 0);
    @endcode
*/
class AllocationCounter {
public:
    /// @throws std::logic_error The program does not count allocations, so that zero
    /// would mean nothing.
    AllocationCounter() {
        detail::require_counting();
        start_ = detail::allocation_tally();
    }

    std::uint64_t made() const noexcept {
        return detail::allocation_tally().made - start_.made;
    }
    std::uint64_t bytes() const noexcept {
        return detail::allocation_tally().bytes - start_.bytes;
    }
    /// Blocks freed, whoever allocated them.
    std::uint64_t freed() const noexcept {
        return detail::allocation_tally().freed - start_.freed;
    }

private:
    detail::AllocationTally start_;
};

/** Lets one allocation of the calling thread fail with `std::bad_alloc`: the n-th from
    here on, where the first one is number 0. None after the object's end.
*/
class FailingAllocation {
public:
    /// @throws std::logic_error As @ref AllocationCounter.
    explicit FailingAllocation(std::uint64_t n) {
        detail::require_counting();
        detail::AllocationTally& tally = detail::allocation_tally();
        failed_before_ = tally.failed;
        tally.fail_at = tally.made + n;
    }

    FailingAllocation(const FailingAllocation&) = delete;
    FailingAllocation& operator=(const FailingAllocation&) = delete;

    ~FailingAllocation() { detail::allocation_tally().fail_at = detail::kNeverFail; }

    /// Whether the allocation was reached.
    bool failed() const noexcept {
        return detail::allocation_tally().failed != failed_before_;
    }

private:
    std::uint64_t failed_before_ = 0;
};

/** Runs `work` again and again, and lets its allocation number 0, 1, 2, ... fail, until
   it makes so few that none fails.

    @param work Called for each run; a `std::bad_alloc` that leaves it is expected.
    @param check Called after each run, to see that nothing is lost or left behind.
    @return How many allocations failed.
*/
template <class Work, class Check>
std::uint64_t fail_each_allocation(Work work, Check check) {
    for (std::uint64_t n = 0;; ++n) {
        bool failed = false;
        {
            FailingAllocation failing{n};
            try {
                work();
            } catch (const std::bad_alloc&) {
            }
            failed = failing.failed();
        }
        check();
        if (!failed) return n;
    }
}

}  // namespace resilience::testing

/// Replaces the program's `operator new` and `operator delete` by ones that count, and
/// fail when told to. Stands at namespace scope in one source file of a program, or in
/// several.
#define RESILIENCE_COUNT_ALLOCATIONS            \
    RESILIENCE_DETAIL_REPLACE_NEW(new, delete); \
    RESILIENCE_DETAIL_REPLACE_NEW(new[], delete[])

// Every form, since a sanitizer brings its own of those that are not replaced.
#define RESILIENCE_DETAIL_REPLACE_NEW(NEW, DELETE)                                               \
    [[gnu::weak]] void* operator NEW(std::size_t size) {                                         \
        return resilience::testing::detail::allocate(size);                                      \
    }                                                                                            \
    [[gnu::weak]] void* operator NEW(std::size_t size, std::align_val_t alignment) {             \
        return resilience::testing::detail::allocate(size, alignment);                           \
    }                                                                                            \
    [[gnu::weak]] void* operator NEW(std::size_t size, const std::nothrow_t&) noexcept {         \
        return resilience::testing::detail::allocate_or_null(size);                              \
    }                                                                                            \
    [[gnu::weak]] void*                                                                          \
    operator NEW(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept { \
        return resilience::testing::detail::allocate_or_null(size, alignment);                   \
    }                                                                                            \
    RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, void* block);                                       \
    RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, void* block, std::size_t);                          \
    RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, void* block, std::align_val_t);                     \
    RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, void* block, const std::nothrow_t&);                \
    RESILIENCE_DETAIL_REPLACE_DELETE(                                                            \
        DELETE, void* block, std::size_t, std::align_val_t                                       \
    );                                                                                           \
    RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, void* block, std::align_val_t, const std::nothrow_t&)

#define RESILIENCE_DETAIL_REPLACE_DELETE(DELETE, ...)          \
    [[gnu::weak]] void operator DELETE(__VA_ARGS__) noexcept { \
        resilience::testing::detail::deallocate(block);        \
    }                                                          \
    static_assert(true)

#endif
