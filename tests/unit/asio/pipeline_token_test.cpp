// SPDX-License-Identifier: MIT
// A pipeline by completion token on another executor than its caller's: when it is
// cancelled, and on how many threads it runs.
#include <resilience/asio/pipeline.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/testing/cancel_everywhere.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace resilience;
using namespace std::chrono_literals;
using testing::VirtualTime;

namespace {

using Words = Result<std::string>;
using Type = net::cancellation_type;

net::awaitable<void> give_way() {
    const auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);
}

net::awaitable<Words> words_after_a_while(CallContext&) {
    for (int i = 0; i < 3; ++i) co_await give_way();
    co_return std::string{"some words"};
}

/// An operation that counts its calls, and ends when it is cancelled.
struct Never {
    net::awaitable<Words> operator()(CallContext&) {
        ++*begun;
        Timer timer{co_await net::this_coro::executor};
        const auto waited =
            co_await timer.async_wait_until(TimePoint::max(), net::use_awaitable);
        co_return waited.error();
    }

    int* begun;
};

/// A pipeline whose one slot shows whether a call has ended.
struct Guarded {
    Bulkhead<> bulkhead{{.limit = 1}};
    decltype(Pipeline{NoDeadline{}, std::declval<Bulkhead<>&>()}
    ) pipeline{Pipeline{NoDeadline{}, bulkhead}};

    ~Guarded() { CHECK(bulkhead.snapshot().in_use == 0); }
};

/// Begins a call on `there` for a caller on `here`, who cancels by `signal`.
template <class Pipeline, class Operation>
void run(
    net::io_context& there,
    net::io_context& here,
    net::cancellation_signal& signal,
    Pipeline& pipeline,
    Operation operation,
    std::optional<Words>& result
) {
    async_run(
        there.get_executor(),
        pipeline,
        std::move(operation),
        net::bind_cancellation_slot(
            signal.slot(),
            net::bind_executor(
                here.get_executor(),
                [&](Words words) { result.emplace(std::move(words)); }
            )
        )
    );
}

/// The executor of the operation in a pipeline that is run on `executor`, by `drain`.
template <class Drain>
net::any_io_executor executor_for(const net::any_io_executor& executor, Drain drain) {
    Pipeline pipeline{NoDeadline{}};
    net::any_io_executor found;
    async_run(
        executor,
        pipeline,
        [&](CallContext&) -> net::awaitable<int> {
            found = co_await net::this_coro::executor;
            co_return 1;
        },
        [](const Outcome<int>&) {}
    );
    drain();
    return found;
}

}  // namespace

TEST_CASE("a call on another executor can be struck at any time, also too late") {
    std::optional<Guarded> guarded;
    int ended = 0;
    const auto scenario = [&](VirtualTime& time) -> net::awaitable<void> {
        guarded.emplace();
        const net::any_io_executor strand = net::make_strand(time.get_executor());
        for (int i = 0; i < 3; ++i) {
            const Words words = co_await async_run(
                strand, guarded->pipeline, &words_after_a_while, net::use_awaitable
            );
            CHECK(
                (words.has_value() || words.error() == Errc::cancelled ||
                 words.error() == Errc::cancelled_in_doubt)
            );
            // The next operation of this coroutine has the slot now.
            co_await give_way();
        }
        ++ended;
    };
    const auto report = testing::cancel_everywhere(
        scenario, [&](const testing::CancelledRun&) { guarded.reset(); }
    );
    CHECK(ended > 0);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
    CHECK(report.points > 30);
}

TEST_CASE("a call that is cancelled before its first step does not begin") {
    bool at_once = false;
    SUBCASE("by its caller at once") { at_once = true; }
    SUBCASE("by a handler that its executor runs before it") {}
    for (const Type type : {Type::terminal, Type::partial, Type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        net::io_context context;
        std::optional<VirtualTime> time;
        net::cancellation_signal signal;
        Guarded guarded;
        int begun = 0;
        std::optional<Words> result;
        if (!at_once) {
            // It runs the call without a strand.
            time.emplace(context);
            net::post(context, [&] { signal.emit(type); });
        }
        run(context, context, signal, guarded.pipeline, Never{&begun}, result);
        if (at_once) signal.emit(type);
        CHECK_NOTHROW(context.poll());
        CHECK(begun == 0);
        REQUIRE(result.has_value());
        CHECK(result->error() == Errc::cancelled);
    }
}

TEST_CASE("cancellation of each type reaches a call on another executor") {
    for (const Type type : {Type::terminal, Type::partial, Type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        net::io_context here;
        net::io_context there;
        net::cancellation_signal signal;
        Guarded guarded;
        int begun = 0;
        std::optional<Words> result;
        run(there, here, signal, guarded.pipeline, Never{&begun}, result);
        (void)there.poll();
        CHECK(begun == 1);
        signal.emit(type);
        (void)there.poll();
        here.restart();
        (void)here.poll();
        REQUIRE(result.has_value());
        CHECK(result->error() == Errc::cancelled);
    }
}

TEST_CASE("a call that is cancelled while it runs to its end in one go ends with that") {
    net::io_context context;
    net::cancellation_signal signal;
    std::optional<Words> result;
    SUBCASE("its value") {
        Guarded guarded;
        const auto work = [&](CallContext&) -> net::awaitable<Words> {
            signal.emit(Type::terminal);
            co_return std::string{"all the same"};
        };
        run(context, context, signal, guarded.pipeline, work, result);
        CHECK_NOTHROW(context.run());
        REQUIRE(result.has_value());
        CHECK(result->value() == "all the same");
    }
    SUBCASE("the refusal of an open breaker") {
        struct CancelsOnRefusal {
            void on(const CircuitRefused&) const noexcept {
                signal->emit(Type::terminal);
            }
            net::cancellation_signal* signal;
        };
        CircuitBreaker breaker{
            CircuitBreakerOptions{
                .window = ConsecutiveWindowOptions{}, .consecutive_failures = 1},
            CancelsOnRefusal{&signal}};
        breaker.force_open();
        Pipeline pipeline{breaker};
        int begun = 0;
        run(context, context, signal, pipeline, Never{&begun}, result);
        CHECK_NOTHROW(context.run());
        CHECK(begun == 0);
        REQUIRE(result.has_value());
        CHECK(result->error() == Errc::circuit_open);
    }
}

TEST_CASE("an exception on another executor is a refusal of the call") {
    net::io_context here;
    net::io_context there;
    net::cancellation_signal signal;
    Guarded guarded;
    std::optional<Words> result;
    const auto work = [](CallContext&) -> net::awaitable<Words> {
        co_await give_way();
        throw std::runtime_error("no");
    };
    run(there, here, signal, guarded.pipeline, work, result);
    there.run();
    CHECK_FALSE(result.has_value());
    here.run();
    REQUIRE(result.has_value());
    CHECK(result->error() == Errc::internal);
    CHECK(result->error().detail == "no");
}

TEST_CASE("a cancellation under way to a call finds the slot cleared") {
    enum class By { owner, other_operation, destruction };
    for (const By by : {By::owner, By::other_operation, By::destruction}) {
        // Steps of the call that are done before it is cancelled.
        for (int steps = 0; steps < 12; ++steps) {
            CAPTURE(steps);
            net::io_context here;
            net::io_context there;
            auto signal = std::make_unique<net::cancellation_signal>();
            Guarded guarded;
            std::optional<Words> result;
            run(there, here, *signal, guarded.pipeline, &words_after_a_while, result);
            for (int i = 0; i < steps; ++i) (void)there.poll_one();
            signal->emit(Type::terminal);
            if (by == By::owner) signal->slot().clear();
            if (by == By::other_operation) {
                signal->slot().assign([](net::cancellation_type) {});
            }
            if (by == By::destruction) signal.reset();
            there.restart();
            CHECK_NOTHROW(there.run());
            here.run();
            REQUIRE(result.has_value());
            CHECK(
                (result->has_value() || result->error() == Errc::cancelled ||
                 result->error() == Errc::cancelled_in_doubt)
            );
        }
    }
}

TEST_CASE("a call can be cancelled when it has ended and its slot is as it was") {
    net::io_context here;
    net::io_context there;
    net::cancellation_signal signal;
    Guarded guarded;
    std::optional<Words> result;
    run(there, here, signal, guarded.pipeline, &words_after_a_while, result);
    there.run();
    signal.emit(Type::terminal);
    here.run();
    REQUIRE(result.has_value());
    CHECK(result->has_value());
    signal.emit(Type::terminal);
    there.restart();
    CHECK_NOTHROW(there.run());
}

TEST_CASE("a call is cancelled by a slot that outlives its context") {
    net::io_context here;
    net::cancellation_signal signal;
    Guarded guarded;
    auto& pipeline = guarded.pipeline;
    std::optional<Words> result;
    std::optional<net::io_context> there{std::in_place};
    int begun = 0;
    SUBCASE("when it has not begun") {
        run(*there, here, signal, pipeline, Never{&begun}, result);
        CHECK(begun == 0);
    }
    SUBCASE("while it is pending") {
        run(*there, here, signal, pipeline, Never{&begun}, result);
        (void)there->poll();
        CHECK(begun == 1);
    }
    SUBCASE("while it is pending and its cancellation is under way") {
        run(*there, here, signal, pipeline, Never{&begun}, result);
        (void)there->poll();
        signal.emit(Type::terminal);
    }
    SUBCASE("when it has ended") {
        run(*there, here, signal, pipeline, &words_after_a_while, result);
        there->run();
        here.run();
        CHECK(result.has_value());
        result.reset();
    }
    there.reset();
    signal.emit(Type::terminal);
    here.restart();
    here.run();
    CHECK_FALSE(result.has_value());
}

TEST_CASE("a call on an executor of many threads has a strand, and one on a strand it") {
    using OnPool = net::strand<net::thread_pool::executor_type>;
    using OnContext = net::strand<net::io_context::executor_type>;
    {
        net::thread_pool pool{2};
        const auto found = executor_for(pool.get_executor(), [&] { pool.join(); });
        CHECK(found.target<OnPool>() != nullptr);
    }
    {
        net::thread_pool pool{2};
        const auto strand = net::make_strand(pool.get_executor());
        CHECK(executor_for(strand, [&] { pool.join(); }) == net::any_io_executor{strand});
    }
    {
        net::io_context context;
        const auto found = executor_for(context.get_executor(), [&] { context.run(); });
        CHECK(found.target<OnContext>() != nullptr);
    }
    {
        net::io_context context;
        VirtualTime time{context};
        INFO("virtual time has one thread alone");
        CHECK(executor_for(context.get_executor(), [&] {
                  context.run();
              }) == context.get_executor());
    }
}

TEST_CASE("a call on an executor of many threads is cancelled from another thread") {
    constexpr int rounds = 300;
    net::thread_pool there{2};
    net::thread_pool callers{2};
    const auto here = net::make_strand(callers.get_executor());
    Bulkhead bulkhead{{.limit = 1}};
    Pipeline pipeline{Deadline{1h}, bulkhead, Timeout{{.limit = 1min}}};
    int begun = 0;
    int ended = 0;
    net::cancellation_signal signal;
    std::function<void()> next = [&] {
        const auto keep = [&](const Words& words) {
            if (ended % 2 == 0) CHECK(words.has_error());
            if (++ended < rounds) next();
        };
        auto token =
            net::bind_cancellation_slot(signal.slot(), net::bind_executor(here, keep));
        // One that only its cancellation ends, and one that is over about then.
        if (ended % 2 == 0) {
            async_run(there.get_executor(), pipeline, Never{&begun}, std::move(token));
        } else {
            async_run(
                there.get_executor(), pipeline, &words_after_a_while, std::move(token)
            );
        }
        net::post(here, [&] { signal.emit(Type::terminal); });
    };
    net::post(here, next);
    callers.join();
    there.join();
    CHECK(ended == rounds);
    CHECK(begun <= rounds);
    CHECK(bulkhead.snapshot().in_use == 0);
}
