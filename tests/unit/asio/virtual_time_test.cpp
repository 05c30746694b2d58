// SPDX-License-Identifier: MIT
#include <resilience/asio/timer.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <vector>

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using testing::Blow;
using testing::VirtualTime;

/// Writes what a wait ended with where a test can see it.
auto into(std::optional<Result<void>>& where) {
    return [&where](Result<void> result) { where = result; };
}

}  // namespace

TEST_CASE("a timer's wait of a day ends at once in virtual time, and at its instant") {
    net::io_context context;
    VirtualTime time{context};
    const TimePoint start = time.now();
    Timer timer{context.get_executor()};
    std::optional<Result<void>> end;
    timer.async_wait_until(start + 24h, into(end));
    CHECK(timer.now() == start);
    CHECK(current_time(context.get_executor()) == start);
    CHECK(time.waiting() == 1);
    CHECK(time.run());
    REQUIRE(end.has_value());
    CHECK(end->has_value());
    CHECK(time.now() == start + 24h);
    CHECK(time.clock().now() == start + 24h);
    CHECK(time.waiting() == 0);
}

TEST_CASE("waits end by instant, and those of one instant in the order of their begin") {
    net::io_context context;
    VirtualTime time{context};
    const TimePoint start = time.now();
    std::vector<int> order;
    Timer a{context.get_executor()};
    Timer b{context.get_executor()};
    Timer c{context.get_executor()};
    Timer d{context.get_executor()};
    a.async_wait_until(start + 2s, [&](Result<void>) { order.push_back(1); });
    b.async_wait_until(start + 1s, [&](Result<void>) { order.push_back(2); });
    c.async_wait_until(start + 1s, [&](Result<void>) { order.push_back(3); });
    d.async_wait_until(start - 1s, [&](Result<void>) { order.push_back(4); });
    CHECK(order.empty());
    time.run();
    CHECK(order == std::vector{4, 2, 3, 1});
    CHECK(time.now() == start + 2s);
}

TEST_CASE("time stands still while a handler is ready") {
    net::io_context context;
    VirtualTime time{context};
    const TimePoint start = time.now();
    Timer timer{context.get_executor()};
    timer.async_wait_until(start + 1s, [](Result<void>) {});
    int left = 100;
    TimePoint last{};
    std::function<void()> again = [&] {
        last = time.now();
        if (--left > 0) net::post(context, again);
    };
    net::post(context, again);
    time.run();
    CHECK(left == 0);
    CHECK(last == start);
}

TEST_CASE("virtual time runs up to an instant and leaves the rest") {
    net::io_context context;
    VirtualTime time{context};
    const TimePoint start = time.now();
    Timer timer{context.get_executor()};
    std::optional<Result<void>> end;
    timer.async_wait_until(start + 10s, into(end));
    CHECK(time.run_for(9s));
    CHECK(!end);
    CHECK(time.now() == start + 9s);
    CHECK(time.run_for(1s));
    CHECK(end);
}

TEST_CASE("code that never rests is found out") {
    net::io_context context;
    VirtualTime time{context};
    std::function<void()> again = [&] { net::post(context, again); };
    net::post(context, again);
    CHECK(!time.run(1000));
}

TEST_CASE("a wait without an end rests; it ends by cancellation") {
    net::io_context context;
    VirtualTime time{context};
    Timer timer{context.get_executor()};
    std::optional<Result<void>> end;
    timer.async_wait_until(TimePoint::max(), into(end));
    CHECK(time.run());
    CHECK(!end);
    CHECK(time.waiting() == 1);
    timer.cancel();
    CHECK(!end);
    time.run();
    REQUIRE(end);
    CHECK(end->error() == Errc::cancelled);
}

TEST_CASE("a signal ends a virtual wait, once, and may come late") {
    net::io_context context;
    VirtualTime time{context};
    net::cancellation_signal signal;
    std::optional<Result<void>> end;
    {
        Timer timer{context.get_executor()};
        timer.async_wait_until(
            time.now() + 1s, net::bind_cancellation_slot(signal.slot(), into(end))
        );
        signal.emit(net::cancellation_type::none);
        CHECK(time.waiting() == 1);
        signal.emit(net::cancellation_type::total);
        CHECK(time.waiting() == 0);
    }
    signal.emit(net::cancellation_type::terminal);
    time.run();
    REQUIRE(end);
    CHECK(end->error() == Errc::cancelled);
}

TEST_CASE("a second wait cancels the first; destruction cancels the last") {
    net::io_context context;
    VirtualTime time{context};
    std::optional<Result<void>> first;
    std::optional<Result<void>> second;
    {
        Timer timer{context.get_executor()};
        timer.async_wait_until(time.now() + 1s, into(first));
        timer.async_wait_until(time.now() + 2s, into(second));
    }
    time.run();
    REQUIRE(first);
    CHECK(first->error() == Errc::cancelled);
    REQUIRE(second);
    CHECK(second->error() == Errc::cancelled);
}

TEST_CASE("a context destroyed with virtual waits under way destroys their coroutines") {
    auto alive = std::make_shared<int>(1);
    {
        net::io_context context;
        VirtualTime time{context};
        for (int i = 0; i < 3; ++i) {
            net::co_spawn(
                context,
                [](std::shared_ptr<int>) -> net::awaitable<void> {
                    Timer timer{co_await net::this_coro::executor};
                    Result<void> r = co_await timer.async_wait_until(timer.now() + 1h);
                    CHECK(!r);
                }(alive),
                net::detached
            );
        }
        while (time.waiting() < 3) time.step();
        CHECK(alive.use_count() == 4);
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a strand shares the virtual time of its context") {
    net::io_context context;
    VirtualTime time{context};
    Timer timer{net::make_strand(context)};
    std::optional<Result<void>> end;
    timer.async_wait_until(time.now() + 1h, into(end));
    CHECK(time.waiting() == 1);
    time.run();
    CHECK(end);
}

TEST_CASE("without virtual time a timer waits for the machine's clock, and is cancelled"
) {
    net::io_context context;
    Timer timer{context.get_executor()};
    const TimePoint before = Clock::now();
    std::optional<Result<void>> end;
    timer.async_wait_until(before, into(end));
    CHECK(!end);
    context.run();
    REQUIRE(end);
    CHECK(end->has_value());
    CHECK(timer.now() >= before);

    net::cancellation_signal signal;
    end.reset();
    timer.async_wait_until(
        TimePoint::max(), net::bind_cancellation_slot(signal.slot(), into(end))
    );
    signal.emit(net::cancellation_type::partial);
    context.restart();
    context.run();
    REQUIRE(end);
    CHECK(end->error() == Errc::cancelled);
}

TEST_CASE("a scripted operation plays its steps and counts what became of them") {
    net::io_context context;
    VirtualTime time{context};
    testing::ScriptedOperation<int> op;
    op.succeed_after(5ms, 1)
        .fail_after(7ms, fail(Errc::unavailable))
        .throw_after(1ms, std::runtime_error{"boom"})
        .succeed_after(0ms, 4);
    const TimePoint start = time.now();
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            Result<int> r = co_await op();
            CHECK(r.value() == 1);
            CHECK(time.now() == start + 5ms);
            r = co_await op();
            CHECK(r.error() == Errc::unavailable);
            CHECK(time.now() == start + 12ms);
            bool thrown = false;
            try {
                r = co_await op();
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            CHECK(thrown);
            for (int i = 0; i < 2; ++i) {
                r = co_await op();
                CHECK(r.value() == 4);
            }
        },
        net::detached
    );
    CHECK(time.run());
    CHECK(op.calls() == 5);
    CHECK(op.finished() == 5);
    CHECK(op.in_flight() == 0);
    CHECK(op.most_in_flight() == 1);
}

TEST_CASE("the driver strikes at every suspension and finds what is left behind") {
    int open = 0;
    struct Hold {
        int& count;
        explicit Hold(int& c) : count(c) { ++count; }
        ~Hold() { --count; }
    };
    std::size_t finished = 0;
    const auto tidy = [&](VirtualTime&) -> net::awaitable<void> {
        Timer timer{co_await net::this_coro::executor};
        for (int i = 0; i < 3; ++i) {
            Hold hold{open};
            Result<void> r = co_await timer.async_wait_until(timer.now() + 1s);
            if (!r) co_return;
        }
        ++finished;
    };
    auto report = testing::cancel_everywhere(tidy, [&](const testing::CancelledRun& run) {
        CHECK(open == 0);
        if (run.blow != Blow::destroy) CHECK(run.waits_left == 0);
    });
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
    CHECK(report.points >= 4 * 3);
    CHECK(finished > 0);

    std::size_t leaks = 0;
    const auto careless = [&](VirtualTime&) -> net::awaitable<void> {
        Timer timer{co_await net::this_coro::executor};
        ++open;
        Result<void> r = co_await timer.async_wait_until(timer.now() + 1s);
        if (r) --open;
    };
    testing::cancel_everywhere(careless, [&](const testing::CancelledRun&) {
        if (open != 0) ++leaks;
        open = 0;
    });
    CHECK(leaks == 5);
}

TEST_CASE("the driver ends with a scenario that hangs, or that hears no cancellation") {
    testing::ScriptedOperation<int> forever;
    forever.hang();
    auto report = testing::cancel_everywhere(
        [&](VirtualTime&) -> net::awaitable<void> { (void)co_await forever(); },
        [&](const testing::CancelledRun&) { CHECK(forever.in_flight() == 0); }
    );
    CHECK(report.unfinished == 0);
    CHECK(report.points >= 4);

    testing::ScriptedOperation<int> deaf;
    deaf.ignore_cancellation(TimePoint::max() - TimePoint{1h}, 1);
    report = testing::cancel_everywhere(
        [&](VirtualTime& time) -> net::awaitable<void> {
            Timer timer{time.get_executor()};
            (void)co_await timer.async_wait_until(
                TimePoint::max(),
                net::bind_cancellation_slot(net::cancellation_slot{}, net::use_awaitable)
            );
        },
        [](const testing::CancelledRun&) {}
    );
    CHECK(report.unfinished > 0);
}
