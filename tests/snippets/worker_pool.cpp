// SPDX-License-Identifier: MIT
#include <resilience/asio/worker_pool.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

struct Mail {
    std::string to;
};

std::atomic<int> sent{0};

void send(const Mail&) { ++sent; }
bool send_part(int) { return true; }

//[observer
struct CountFailures {
    std::atomic<std::uint64_t>* thrown;

    void on(const TaskThrew&) noexcept { ++*thrown; }
};
//]

}  // namespace

TEST_CASE("docs: a pool takes tasks or says why not") {
    std::string log;
    //[usage
    WorkerPool pool{{.threads = 4, .capacity = 100, .name = "mail"}};
    Mail mail{"anna@example.org"};
    if (Submission s = pool.try_submit([&] { send(mail); }); !s) {
        log += "not now: " + s.error().message();
    }
    //]
    CHECK(log == "");

    //[options
    Submission s = pool.try_submit(
        [](const TaskContext& task) {
            for (int part = 0; part < 10 && !task.stop.stop_requested(); ++part) {
                send_part(part);
            }
        },
        {.priority = Priority::high,
         .deadline = Clock::now() + 2s,
         .correlation_id = "4bf92f3577b34da6a3ce929d0e0e4736"}
    );
    //]
    CHECK(s);

    //[wait
    Submission waited = pool.submit_wait([&] { send(mail); });
    if (waited.error() == Errc::timed_out) log += "no space within 30 s";
    //]
    CHECK(waited);
    CHECK(pool.drain(TimePoint::max()).clean());
    CHECK(sent == 2);
}

TEST_CASE("docs: each task comes to one end") {
    WorkerPool pool{{.threads = 1}};
    std::atomic<int> done{0};
    std::atomic<int> late{0};
    //[run_or
    auto work = [&] { ++done; };
    auto otherwise = [&](Errc why) noexcept {
        if (why == Errc::timed_out) ++late;
    };
    const TaskOptions options{.deadline = Clock::now() - 1s};
    const bool taken = pool.try_submit(run_or(work, otherwise), options).has_value();
    //]
    CHECK(taken);

    //[boxed
    std::string text(100, 'x');
    struct Report {
        std::string to, subject, body;
        void operator()() const {}
    };
    Submission s = pool.try_submit(boxed(Report{"ops@example.org", "today", text}));
    //]
    CHECK(s);
    CHECK(pool.drain(TimePoint::max()).clean());
    CHECK(done == 0);
    CHECK(late == 1);
}

TEST_CASE("docs: a drain hands back what it could not start") {
    WorkerPool pool{{.threads = 1}};
    std::latch started{1};
    const auto until_stopped = [&](const TaskContext& task) {
        std::latch stopped{1};
        std::stop_callback on_stop{task.stop, [&] { stopped.count_down(); }};
        started.count_down();
        stopped.wait();
    };
    REQUIRE(pool.try_submit(until_stopped));
    started.wait();
    REQUIRE(pool.try_submit([] {}, {.correlation_id = "mail-7"}));
    std::vector<std::string> store;
    const auto grace = 0s;
    //[drain
    DrainReport report = pool.drain(Clock::now() + grace);
    for (QueuedTask& task : report.unstarted) {
        store.emplace_back(task.correlation_id());  // to be sent after the restart
    }
    //]
    CHECK(store == std::vector<std::string>{"mail-7"});
    CHECK(report.cancelled == 1);
}

TEST_CASE("docs: a pool is changed in use, and replaced by a larger one") {
    auto pool = std::make_shared<WorkerPool<>>(WorkerPoolOptions{.threads = 1});
    std::latch started{1};
    REQUIRE(pool->try_submit([&](const TaskContext& task) {
        started.count_down();
        while (!task.stop.stop_requested()) std::this_thread::yield();
    }));
    started.wait();
    std::atomic<int> done{0};
    REQUIRE(pool->try_submit([&] { ++done; }));
    std::string log;
    const auto grace = 0s;
    //[reconfigure
    WorkerPoolOptions options = pool->options();
    options.overflow = Overflow::caller_runs;
    pool->reconfigure(options);
    //]
    CHECK(pool->options().overflow == Overflow::caller_runs);
    //[replace
    options.threads = 4;
    auto larger = std::make_shared<WorkerPool<>>(options);
    // From here on everybody submits to the larger one.
    DrainReport report = pool->drain(Clock::now() + grace);
    for (QueuedTask& task : report.unstarted) {
        const Submission s = larger->submit_wait(std::move(task.task), task.options());
        if (!s) log += "lost: " + s.error().message();
    }
    //]
    CHECK(larger->drain(TimePoint::max()).clean());
    CHECK(done == 1);
    CHECK(log.empty());
}

TEST_CASE("docs: an observer sees what a pool does") {
    //[observe
    std::atomic<std::uint64_t> thrown{0};
    WorkerPool pool{{.threads = 2}, CountFailures{&thrown}};
    //]
    CHECK(pool.try_submit([] { throw 1; }));
    CHECK(pool.drain(TimePoint::max()).clean());
    CHECK(thrown == 1);
}

TEST_CASE("docs: a coroutine awaits a task") {
    WorkerPool pool{{.threads = 2}};
    net::io_context io;
    int seen = 0;
    //[async
    auto hash_password = [&]() -> net::awaitable<void> {
        Result<int> hash = co_await async_submit(pool, [] { return 42; });
        if (hash) seen = *hash;
    };
    //]
    net::co_spawn(io, hash_password, net::detached);
    io.run();
    CHECK(seen == 42);
}
