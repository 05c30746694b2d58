// SPDX-License-Identifier: MIT
#include <resilience/asio/bulkhead.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

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

TEST_CASE("a slot that is free is had though the deadline has passed, and no wait begins"
) {
    World world;
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 1h}};
    std::vector<Result<Bulkhead<>::Slot>> ends;
    for (int i = 0; i < 2; ++i) {
        async_acquire(
            bulkhead,
            TimePoint::min(),
            net::bind_executor(
                world.context.get_executor(),
                [&](Result<Bulkhead<>::Slot> slot) { ends.push_back(std::move(slot)); }
            )
        );
    }
    world.time.run();
    REQUIRE(ends.size() == 2);
    CHECK(ends[0].has_value());
    REQUIRE(ends[1].has_error());
    CHECK(ends[1].error() == Errc::bulkhead_full);
    CHECK(world.elapsed() == 0s);
}

TEST_CASE("waits for a slot without an executor end once, whatever thread ends them when"
) {
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 30us}};
    int granted = 0;
    for (int i = 0; i < 500; ++i) {
        std::optional held{bulkhead.try_acquire()};
        REQUIRE(*held);
        net::cancellation_signal signal;
        std::promise<Result<Bulkhead<>::Slot>> end;
        async_acquire(
            bulkhead,
            TimePoint::max(),
            net::bind_cancellation_slot(
                signal.slot(),
                [&](Result<Bulkhead<>::Slot> slot) { end.set_value(std::move(slot)); }
            )
        );
        std::this_thread::sleep_for(i % 40 * 1us);
        if (i % 3 == 0) held.reset();
        if (i % 3 == 1) signal.emit(net::cancellation_type::terminal);
        const auto slot = end.get_future().get();
        granted += slot.has_value();
        signal.emit(net::cancellation_type::terminal);
    }
    CHECK(granted <= 167);
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.snapshot().waiting == 0);
}
