// SPDX-License-Identifier: MIT
#include <resilience/asio/bulkhead.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace {

using namespace resilience;
using namespace std::chrono_literals;

/// Does something when it is first used: between the look for a free slot and the wait.
template <class T>
class MeddlingAllocator {
public:
    using value_type = T;

    explicit MeddlingAllocator(std::function<void()>& meddle) : meddle_{&meddle} {}
    template <class U>
    MeddlingAllocator(const MeddlingAllocator<U>& other) : meddle_{other.meddle_} {}

    T* allocate(std::size_t n) {
        if (*meddle_) std::exchange(*meddle_, nullptr)();
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* p, std::size_t n) { std::allocator<T>{}.deallocate(p, n); }

    template <class U>
    bool operator==(const MeddlingAllocator<U>& other) const {
        return meddle_ == other.meddle_;
    }

private:
    template <class>
    friend class MeddlingAllocator;

    std::function<void()>* meddle_;
};

}  // namespace

TEST_CASE("a slot that comes free as the wait for it begins is had at once") {
    World world;
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 1h}};
    std::optional held{bulkhead.try_acquire()};
    std::function<void()> meddle = [&] { held.reset(); };
    bool granted = false;
    async_acquire(
        bulkhead,
        TimePoint::max(),
        net::bind_allocator(
            MeddlingAllocator<char>{meddle},
            net::bind_executor(
                world.context.get_executor(),
                [&](const Result<Bulkhead<>::Slot>& slot) { granted = slot.has_value(); }
            )
        )
    );
    CHECK(!held);
    world.time.run();
    CHECK(granted);
    CHECK(world.elapsed() == 0s);
    CHECK(bulkhead.snapshot().in_use == 0);
}
