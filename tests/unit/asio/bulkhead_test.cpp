// SPDX-License-Identifier: MIT
#include <resilience/asio/bulkhead.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/manual_clock.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using testing::ManualClock;
using testing::VirtualTime;

using Timed = Bulkhead<NoObserver, const ManualClock&>;
using Slot = Timed::Slot;
using Answer = Result<Slot>;

constexpr TimePoint kNever = TimePoint::max();

/// A bulkhead in a context of virtual time.
struct World {
    explicit World(const BulkheadOptions& options)
        : bulkhead(options, {}, clock), context(std::in_place), time(*context) {}

    /// Begins to acquire; yields where the answer will stand.
    std::optional<Answer>& acquire(
        TimePoint deadline = kNever, net::cancellation_slot cancel = {}
    ) {
        answers.push_back(std::make_unique<std::optional<Answer>>());
        auto& answer = *answers.back();
        async_acquire(
            bulkhead,
            deadline,
            net::bind_cancellation_slot(
                cancel,
                net::bind_executor(
                    context->get_executor(),
                    [&answer](Answer a) { answer.emplace(std::move(a)); }
                )
            )
        );
        return answer;
    }

    ManualClock clock;
    Timed bulkhead;
    std::optional<net::io_context> context;
    VirtualTime time;
    std::vector<std::unique_ptr<std::optional<Answer>>> answers;
};

bool is_granted(const std::optional<Answer>& answer) {
    return answer && answer->has_value() && **answer;
}

bool failed(const std::optional<Answer>& answer, Errc e) {
    return answer && answer->has_error() && answer->error() == e;
}

const net::cancellation_type kTypes[] = {
    net::cancellation_type::terminal,
    net::cancellation_type::partial,
    net::cancellation_type::total};

}  // namespace

TEST_CASE("a free slot is had at once, though not within the call") {
    World world{{.limit = 1}};
    auto& answer = world.acquire();
    CHECK_FALSE(answer);
    CHECK(world.bulkhead.snapshot().in_use == 1);
    world.time.run();
    CHECK(is_granted(answer));
    answer.reset();
    CHECK(world.bulkhead.snapshot().in_use == 0);
}

TEST_CASE("operations that wait are served in order, one slot after the other") {
    World world{{.limit = 1, .queue = 3, .max_wait = 1h}};
    auto slot = world.bulkhead.try_acquire();
    std::optional<Answer>* answers[] = {
        &world.acquire(), &world.acquire(), &world.acquire()};
    world.time.run_for(1s);
    CHECK(world.bulkhead.snapshot().waiting == 3);
    std::move(slot).done();
    for (auto* answer : answers) {
        CHECK_FALSE(*answer);
        world.time.run_for(1ms);
        REQUIRE(is_granted(*answer));
        CHECK(world.bulkhead.snapshot().in_use == 1);
        answer->reset();
    }
    CHECK(world.bulkhead.snapshot().in_use == 0);
    CHECK(world.time.waiting() == 0);
}

TEST_CASE("an operation for which there is no room is refused at once") {
    for (const std::uint32_t room : {0u, 1u}) {
        World world{{.limit = 1, .queue = room, .max_wait = 1h}};
        const auto slot = world.bulkhead.try_acquire();
        if (room == 1) world.acquire();
        auto& refused = world.acquire();
        CHECK_FALSE(refused);
        world.time.run_for(0s);
        CHECK(failed(refused, Errc::bulkhead_full));
        CHECK(world.bulkhead.snapshot().waiting == room);
        world.context.reset();
    }
}

TEST_CASE("a wait ends at its deadline, and at the longest wait at the latest") {
    World world{{.limit = 1, .queue = 3, .max_wait = 50ms}};
    const auto slot = world.bulkhead.try_acquire();
    const TimePoint start = world.time.now();
    auto& early = world.acquire(start + 20ms);
    auto& late = world.acquire(start + 1h);
    auto& over = world.acquire(start);
    world.time.run_until(start);
    CHECK(failed(over, Errc::bulkhead_full));
    world.time.run_until(start + 20ms - 1ns);
    CHECK_FALSE(early);
    world.time.run_until(start + 20ms);
    CHECK(failed(early, Errc::bulkhead_full));
    world.time.run_until(start + 50ms - 1ns);
    CHECK_FALSE(late);
    world.time.run_until(start + 50ms);
    CHECK(failed(late, Errc::bulkhead_full));
    CHECK(world.bulkhead.snapshot().waiting == 0);
    CHECK(world.time.waiting() == 0);
}

TEST_CASE("every type of cancellation takes an operation out of the queue") {
    for (const auto type : kTypes) {
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        auto slot = world.bulkhead.try_acquire();
        net::cancellation_signal signal;
        auto& cancelled = world.acquire(kNever, signal.slot());
        auto& patient = world.acquire();
        signal.emit(net::cancellation_type::none);
        world.time.run_for(1s);
        CHECK_FALSE(cancelled);
        signal.emit(type);
        signal.emit(type);
        CHECK(world.bulkhead.snapshot().waiting == 1);
        CHECK_FALSE(cancelled);
        world.time.run_for(1s);
        CHECK(failed(cancelled, Errc::cancelled));
        std::move(slot).done();
        world.time.run_for(1s);
        CHECK(is_granted(patient));
        signal.emit(type);
        CHECK(world.time.waiting() == 0);
    }
}

TEST_CASE("an operation cancelled after its grant gives the slot on (failsafe#393)") {
    for (const auto type : kTypes) {
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        auto slot = world.bulkhead.try_acquire();
        net::cancellation_signal signal;
        auto& cancelled = world.acquire(kNever, signal.slot());
        auto& next = world.acquire();
        std::move(slot).done();
        signal.emit(type);
        world.time.run_for(1s);
        CHECK(failed(cancelled, Errc::cancelled));
        CHECK(is_granted(next));
        CHECK(world.bulkhead.snapshot().in_use == 1);
        next.reset();
        CHECK(world.bulkhead.snapshot().in_use == 0);
    }
}

TEST_CASE("an operation that is shed is told so") {
    World world{
        {.limit = 1,
         .queue = 9,
         .max_wait = 1h,
         .discipline = QueueDiscipline::codel,
         .target = 1ms,
         .interval = 10ms}};
    auto slot = world.bulkhead.try_acquire();
    const TimePoint start = world.time.now();
    auto& first = world.acquire();
    auto& second = world.acquire();
    auto& third = world.acquire();
    auto& fourth = world.acquire();
    std::move(slot).done(Verdict::success, start + 10ms);
    world.time.run_until(start + 10ms);
    REQUIRE(is_granted(first));
    std::move(**first).done(Verdict::success, start + 20ms);
    world.time.run_until(start + 20ms);
    CHECK(failed(second, Errc::shed));
    CHECK(failed(third, Errc::shed));
    CHECK(failed(fourth, Errc::shed));
    CHECK(world.bulkhead.snapshot().in_use == 0);
}

TEST_CASE("a context that is destroyed gives back what its operations had or awaited") {
    SUBCASE("the operation waits") {
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        const auto slot = world.bulkhead.try_acquire();
        world.acquire();
        world.time.run_for(1s);
        CHECK(world.bulkhead.snapshot().waiting == 1);
        world.context.reset();
        CHECK(world.bulkhead.snapshot().waiting == 0);
        CHECK(world.bulkhead.snapshot().in_use == 1);
    }
    SUBCASE("the operation was granted its slot, and does not know") {
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        auto slot = world.bulkhead.try_acquire();
        world.acquire();
        world.time.run_for(1s);
        std::move(slot).done();
        CHECK(world.bulkhead.snapshot().in_use == 1);
        world.context.reset();
        CHECK(world.bulkhead.snapshot().in_use == 0);
    }
    SUBCASE("the operation had its slot at once, and does not know") {
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        world.acquire();
        CHECK(world.bulkhead.snapshot().in_use == 1);
        world.context.reset();
        CHECK(world.bulkhead.snapshot().in_use == 0);
    }
    SUBCASE("the operation was cancelled, and does not know") {
        net::cancellation_signal signal;
        World world{{.limit = 1, .queue = 2, .max_wait = 1h}};
        const auto slot = world.bulkhead.try_acquire();
        world.acquire(kNever, signal.slot());
        signal.emit(net::cancellation_type::terminal);
        world.context.reset();
        CHECK(world.bulkhead.snapshot().waiting == 0);
        signal.emit(net::cancellation_type::terminal);
    }
    SUBCASE("the operation waits by the machine's clock") {
        Bulkhead bulkhead{{.limit = 1, .queue = 2, .max_wait = 1h}};
        const auto slot = bulkhead.try_acquire();
        net::cancellation_signal signal;
        std::optional<net::io_context> context{std::in_place};
        bool called = false;
        async_acquire(
            bulkhead,
            kNever,
            net::bind_cancellation_slot(
                signal.slot(),
                net::bind_executor(
                    context->get_executor(),
                    [&called](Result<Bulkhead<>::Slot>) { called = true; }
                )
            )
        );
        context->poll();
        CHECK(bulkhead.snapshot().waiting == 1);
        context.reset();
        signal.emit(net::cancellation_type::terminal);
        CHECK(bulkhead.snapshot().waiting == 0);
        CHECK_FALSE(called);
    }
}

TEST_CASE("cancelled or destroyed at each suspension, a bulkhead keeps every slot") {
    const ManualClock clock;
    Timed bulkhead{{.limit = 1, .queue = 2, .max_wait = 1h}, {}, clock};
    const auto hold = [&](std::chrono::nanoseconds span) -> net::awaitable<void> {
        auto slot = co_await async_acquire(bulkhead, kNever, net::use_awaitable);
        if (!slot) co_return;
        Timer timer{co_await net::this_coro::executor};
        co_await timer.async_wait_until(timer.now() + span, net::use_awaitable);
    };
    const auto report = testing::cancel_everywhere(
        [&](VirtualTime& time) -> net::awaitable<void> {
            net::co_spawn(time.get_executor(), hold(10ms), net::detached);
            co_await hold(5ms);
            co_await hold(5ms);
        },
        [&](const testing::CancelledRun& run) {
            CAPTURE(static_cast<int>(run.blow));
            CAPTURE(run.step);
            CHECK(bulkhead.snapshot().in_use == 0);
            CHECK(bulkhead.snapshot().waiting == 0);
            if (run.blow != testing::Blow::destroy) CHECK(run.waits_left == 0);
            CHECK(bulkhead.try_acquire());
        }
    );
    CHECK(report.points > 20);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
}

TEST_CASE("threads of a pool, and one that blocks, share the slots") {
    Bulkhead bulkhead{{.limit = 2, .queue = 100, .max_wait = 24h}};
    std::atomic<int> in_flight{0};
    std::atomic<int> calls{0};
    std::atomic<bool> too_many{false};
    const auto call = [&] {
        if (in_flight.fetch_add(1) >= 2) too_many = true;
        ++calls;
        in_flight.fetch_sub(1);
    };
    net::thread_pool pool{2};
    for (int i = 0; i < 8; ++i) {
        net::co_spawn(
            pool,
            [&]() -> net::awaitable<void> {
                for (int n = 0; n < 200; ++n) {
                    auto slot =
                        co_await async_acquire(bulkhead, kNever, net::use_awaitable);
                    if (!slot) co_return;
                    call();
                    if (n % 2 == 0) std::move(*slot).done();
                }
            },
            net::detached
        );
    }
    for (int n = 0; n < 200; ++n) {
        const auto slot = bulkhead.acquire();
        if (slot) call();
    }
    pool.join();
    CHECK_FALSE(too_many);
    CHECK(calls == 1800);
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("waits that expire while slots come back on other threads lose none") {
    Bulkhead bulkhead{{.limit = 1, .queue = 8, .max_wait = 20us}};
    std::atomic<int> answers{0};
    net::thread_pool pool{2};
    for (int i = 0; i < 8; ++i) {
        net::co_spawn(
            pool,
            [&]() -> net::awaitable<void> {
                for (int n = 0; n < 200; ++n) {
                    const auto slot =
                        co_await async_acquire(bulkhead, kNever, net::use_awaitable);
                    ++answers;
                    const bool known = slot || slot.error() == Errc::bulkhead_full;
                    if (!known) co_return;
                }
            },
            net::detached
        );
    }
    pool.join();
    CHECK(answers == 1600);
    CHECK(bulkhead.snapshot().in_use == 0);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("a handler without an executor, and the default token") {
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}};
    auto first = async_acquire(bulkhead, kNever, net::use_future).get();
    REQUIRE(first.has_value());
    auto second = async_acquire(bulkhead, kNever, net::use_future);
    std::move(*first).done();
    CHECK(second.get().has_value());
    net::io_context context;
    auto third = net::co_spawn(
        context,
        [&]() -> net::awaitable<bool> {
            const auto slot = co_await async_acquire(bulkhead, kNever);
            co_return slot.has_value();
        },
        net::use_future
    );
    context.run();
    CHECK(third.get());
    CHECK(bulkhead.snapshot().in_use == 0);
}
