// SPDX-License-Identifier: MIT
#include <resilience/asio/worker_pool.hpp>

#include <doctest/doctest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "unit/asio/worker_pool_scene.hpp"

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing;

namespace {

using Scene = PoolScene;

constexpr auto kCancellations = {
    net::cancellation_type::terminal,
    net::cancellation_type::partial,
    net::cancellation_type::total};

}  // namespace

TEST_CASE("async_submit: completes with what the task returns") {
    WorkerPool pool{{.threads = 2}};
    net::io_context io;
    bool done = false;
    net::co_spawn(
        io,
        [&]() -> net::awaitable<void> {
            const auto home = std::this_thread::get_id();
            const auto number = co_await async_submit(pool, [] { return 7; });
            CHECK(number.value() == 7);
            CHECK(std::this_thread::get_id() == home);
            const TaskOptions options{
                .priority = Priority::high,
                .correlation_id = "a correlation id that is not short"};
            const auto text = co_await async_submit(
                pool,
                [home](const TaskContext& c) {
                    CHECK(std::this_thread::get_id() != home);
                    CHECK(c.priority == Priority::high);
                    return std::string{c.correlation_id};
                },
                options
            );
            CHECK(text.value() == options.correlation_id);
            const auto nothing = co_await async_submit(pool, [] {});
            CHECK(nothing.has_value());
            const auto failed = co_await async_submit(pool, []() -> Result<int> {
                return fail(Errc::unavailable, "down");
            });
            CHECK(failed.error() == Errc::unavailable);
            // Named, because g++ 12 destroys some temporaries of a co_await twice.
            auto task = [p = std::make_unique<int>(3)]() mutable { return std::move(p); };
            auto submission = async_submit(pool, std::move(task));
            const auto only_movable = co_await std::move(submission);
            CHECK(*only_movable.value() == 3);
            done = true;
        },
        net::detached
    );
    io.run();
    CHECK(done);
    CHECK(finish(pool).clean());
}

TEST_CASE("async_submit: what a task throws is its result and is counted") {
    Scene s;
    s.submit([]() -> int { throw std::runtime_error{"oops"}; });
    s.io->run();
    CHECK(s.error() == Errc::internal);
    CHECK(s.result->error().detail == "oops");
    CHECK(finish(*s.pool).clean());
    CHECK(s.pool->snapshot().threw == 1);
}

TEST_CASE("async_submit: waits for space, in the order of coming") {
    Scene s;
    Journal journal;
    s.obstruct(true);
    int completed = 0;
    for (int i = 0; i < 3; ++i) {
        async_submit(
            *s.pool,
            [&journal, i] { journal.note(std::to_string(i)); },
            net::bind_executor(
                *s.io,
                [&](Result<void> r) {
                    CHECK(r.has_value());
                    ++completed;
                }
            )
        );
    }
    CHECK(s.pool->snapshot().waiting == 3);
    CHECK(s.pool->try_submit([] {}).error() == code(Errc::queue_full));
    s.block.go();
    s.io->run();
    CHECK(completed == 3);
    CHECK(journal.text() == "0 1 2");
}

TEST_CASE("async_submit: no more submitters wait than max_waiting says") {
    Scene s{0};
    s.obstruct(true);
    s.submit([] { return 1; });
    CHECK_FALSE(s.result);  // never inline
    s.io->run();
    CHECK(s.error() == Errc::queue_full);
}

TEST_CASE("async_submit: cancelled while it waits for space, it ends at once") {
    for (const auto type : kCancellations) {
        Scene s;
        s.obstruct(true);
        s.submit([] { return 1; });
        s.signal.emit(type);
        CHECK_FALSE(s.result);
        s.io->run();
        CHECK(s.error() == Errc::cancelled);
        CHECK(s.pool->snapshot().waiting == 0);
        CHECK(s.alive.use_count() == 1);
        s.block.go();
        CHECK(finish(*s.pool).clean());
        CHECK(s.pool->snapshot().completed == 2);
    }
}

TEST_CASE("async_submit: cancelled while it waits for its turn, it ends at once") {
    for (const auto type : kCancellations) {
        Scene s;
        s.obstruct(false);
        bool ran = false;
        s.submit([&] {
            ran = true;
            return 1;
        });
        s.signal.emit(type);
        s.io->run();
        CHECK(s.error() == Errc::cancelled);
        s.block.go();
        CHECK(finish(*s.pool).clean());
        CHECK_FALSE(ran);
    }
}

TEST_CASE("async_submit: cancelled while it runs, it is told, and awaited") {
    for (const auto type : kCancellations) {
        Scene s;
        std::latch running{1};
        s.submit([&](const TaskContext& c) {
            std::latch stopped{1};
            const std::stop_callback on_stop{c.stop, [&] { stopped.count_down(); }};
            running.count_down();
            stopped.wait();
            return 5;
        });
        running.wait();
        s.signal.emit(type);
        s.io->run();
        CHECK(s.result->value() == 5);
        s.signal.emit(type);  // too late to matter
        CHECK(finish(*s.pool).clean());
    }
}

TEST_CASE("async_submit: a drain stops a running task as well") {
    Scene s;
    std::latch running{1};
    s.submit([&](const TaskContext& c) {
        std::latch stopped{1};
        const std::stop_callback on_stop{c.stop, [&] { stopped.count_down(); }};
        running.count_down();
        stopped.wait();
        return 6;
    });
    running.wait();
    CHECK(s.pool->drain(TimePoint::min()).unstarted.empty());
    s.io->run();
    CHECK(s.result->value() == 6);
}

TEST_CASE("async_submit: a task whose deadline passes before its turn is not run") {
    Scene s;
    s.obstruct(false);
    bool ran = false;
    s.submit(
        [&] {
            ran = true;
            return 1;
        },
        {.deadline = s.clock.now() + 1s}
    );
    s.clock.advance(1s);
    s.block.go();
    s.io->run();
    CHECK(s.error() == Errc::timed_out);
    CHECK_FALSE(ran);
}

TEST_CASE("async_submit: a pool that is destroyed ends what waits, for space or its turn"
) {
    for (const bool full : {true, false}) {
        Scene s;
        s.obstruct(full);
        s.submit([] { return 1; });
        std::thread opener{[&] {
            until_closed(*s.pool);
            s.block.go();
        }};
        s.pool->drain(TimePoint::min());
        opener.join();
        s.pool.reset();
        s.io->run();
        CHECK(s.error() == (full ? Errc::closed : Errc::cancelled));
    }
    Scene s;
    s.obstruct(false);
    s.submit([] { return 1; });
    std::thread opener{[&] {
        s.io->run();  // ends with the result, which precedes the end of the worker
        s.block.go();
    }};
    s.pool.reset();
    opener.join();
    CHECK(s.error() == Errc::closed);
}

TEST_CASE("async_submit: its io_context may be destroyed at any point of it") {
    enum class When { waiting, queued, running };
    for (const When when : {When::waiting, When::queued, When::running}) {
        CAPTURE(static_cast<int>(when));
        Scene s;
        std::latch running{1};
        std::latch go{1};
        std::atomic<int> ran{0};
        if (when != When::running) s.obstruct(when == When::waiting);
        s.submit([&] {
            running.count_down();
            go.wait();
            return ++ran;
        });
        if (when == When::running) running.wait();
        CHECK(s.alive.use_count() == 2);
        s.io.reset();
        CHECK(s.alive.use_count() == 1);  // the handler went with its context
        go.count_down();
        s.block.go();
        CHECK(finish(*s.pool).clean());
        // Whether one that waited found space before the drain, only the threads know.
        if (when != When::waiting) CHECK(ran == 1);
        CHECK_FALSE(s.result);
    }
}

TEST_CASE("async_submit: a handler that cannot be posted goes with its context") {
    enum class End { returned, not_run };
    for (const End end : {End::returned, End::not_run}) {
        CAPTURE(static_cast<int>(end));
        Scene s;
        if (end == End::not_run) s.obstruct(false);
        std::atomic<bool> refuses{true};
        auto handler = [&s, alive = s.alive](Result<int> r) { s.result = std::move(r); };
        const TaskOptions options{.deadline = s.clock.now() + 1s};
        async_submit(
            *s.pool,
            [] { return 1; },
            options,
            net::bind_executor(Refusing{*s.io, refuses}, std::move(handler))
        );
        if (end == End::not_run) s.clock.advance(1s);
        s.block.go();
        CHECK(finish(*s.pool).clean());
        CHECK(s.pool->snapshot().threw == (end == End::returned ? 1 : 0));
        CHECK(s.alive.use_count() == 2);
        refuses = false;
        s.io->run();  // has no work any more
        CHECK_FALSE(s.result);
        s.io.reset();
        CHECK(s.alive.use_count() == 1);
    }
}

TEST_CASE("async_submit: throws if it ends at once and the handler cannot be posted") {
    for (const bool closed : {true, false}) {
        CAPTURE(closed);
        Scene s{0};
        if (closed) {
            CHECK(finish(*s.pool).clean());
        } else {
            s.obstruct(true);
        }
        std::atomic<bool> refuses{true};
        CHECK_THROWS_WITH_AS(
            async_submit(
                *s.pool,
                [] { return 1; },
                net::bind_cancellation_slot(
                    s.signal.slot(),
                    net::bind_executor(
                        Refusing{*s.io, refuses},
                        [&s, alive = s.alive](Result<int> r) { s.result = std::move(r); }
                    )
                )
            ),
            "no more room",
            std::runtime_error
        );
        CHECK(s.alive.use_count() == 1);  // the handler is not kept
        s.signal.emit(net::cancellation_type::terminal);
        refuses = false;
        s.io->run();  // has no work
        CHECK_FALSE(s.result);
    }
}

TEST_CASE("async_submit: completes while contexts die, pools drain and callers cancel") {
    std::atomic<int> ran{0};
    for (int round = 0; round < 60; ++round) {
        std::optional<WorkerPool<>> pool{
            std::in_place,
            WorkerPoolOptions{.threads = 2, .capacity = 2, .max_waiting = 4}};
        std::optional<net::io_context> io{std::in_place};
        net::cancellation_signal signals[12];
        int ended = 0;
        for (auto& signal : signals) {
            async_submit(
                *pool,
                [&ran] { ++ran; },
                net::bind_cancellation_slot(
                    signal.slot(), net::bind_executor(*io, [&](Result<void>) { ++ended; })
                )
            );
        }
        for (int i = 0; i < 12; i += 3) {
            signals[i].emit(net::cancellation_type::terminal);
            io->poll();
        }
        if (round % 3 == 0) pool.reset();
        if (round % 3 == 1) {
            io.reset();
            CHECK(finish(*pool).running == 0);
        } else {
            io->run();
            CHECK(ended == 12);
        }
    }
    CHECK(ran > 0);
}

TEST_CASE("async_submit: a priority that is none is refused by name") {
    WorkerPool pool{{.threads = 1}};
    const TaskOptions bad{.priority = static_cast<Priority>(200)};
    CHECK_THROWS_WITH_AS(
        async_submit(
            pool, [] {}, bad, [](Result<void>) {}
        ),
        "TaskOptions::priority must be an enumerator",
        std::invalid_argument
    );
    CHECK(finish(pool).clean());
}

TEST_CASE("async_submit: a handler without an executor is called by the system's") {
    WorkerPool pool{{.threads = 1}};
    std::latch done{1};
    async_submit(
        pool,
        [] { return 1; },
        [&](Result<int> r) {
            CHECK(r.value() == 1);
            done.count_down();
        }
    );
    done.wait();
    CHECK(finish(pool).clean());
}
