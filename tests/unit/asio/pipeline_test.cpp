// SPDX-License-Identifier: MIT
// What a pipeline returns, throws and completes with in its coroutine form.
#include <resilience/asio/pipeline.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/testing/scripted_operation.hpp>
#include <resilience/testing/virtual_time.hpp>
#include <resilience/token_bucket.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

using testing::ScriptedOperation;

CircuitBreakerOptions opens_at_once() {
    return {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1};
}

net::awaitable<Outcome<int>> wait_for(std::chrono::nanoseconds time) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    Timer timer{executor};
    const Result<void> waited = co_await timer.async_wait_until(timer.now() + time);
    if (!waited) co_return Outcome<int>{waited.error()};
    co_return Outcome<int>{1};
}

/// What a pipeline with an open circuit returns for an operation that returns a `T`.
template <class T, class Expected>
Expected refused() {
    World world;
    CircuitBreaker breaker;
    breaker.force_open();
    Pipeline pipeline{breaker};
    std::optional<Expected> result;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        const auto operation = [](CallContext&) -> net::awaitable<T> { throw 0; };
        auto call = co_run(pipeline, operation);
        static_assert(std::is_same_v<decltype(call), net::awaitable<Expected>>);
        Expected r = co_await std::move(call);
        result.emplace(std::move(r));
    });
    CHECK(!thrown);
    REQUIRE(result);
    return *result;
}

}  // namespace

TEST_CASE("a coroutine's attempts are retried in virtual time") {
    net::io_context context;
    testing::VirtualTime time{context};
    Pipeline pipeline{
        Deadline{10s},
        Retry{{.attempts = 3, .base = 1s, .jitter = Jitter::none}},
        Timeout{{.limit = 200ms}}};
    std::optional<Outcome<int>> result;
    async_run(
        context.get_executor(),
        pipeline,
        [](CallContext& c) { return wait_for(c.attempt < 3 ? 1s : 100ms); },
        [&](Outcome<int> r) { result = std::move(r); }
    );
    const TimePoint start = time.now();
    time.run();
    REQUIRE(result);
    CHECK(result->has_value());
    CHECK(time.now() - start == 200ms + 1s + 200ms + 2s + 100ms);
}

TEST_CASE("a coroutine that is refused returns a refusal of its own type, if it has one"
) {
    CHECK(refused<Result<int>, Result<int>>().error() == Errc::circuit_open);
    CHECK(refused<Outcome<int>, Outcome<int>>().error() == Errc::circuit_open);
    CHECK(
        refused<std::error_code, std::error_code>() == make_error_code(Errc::circuit_open)
    );
    CHECK(refused<int, Outcome<int>>().error() == Errc::circuit_open);
    CHECK(refused<std::string, Outcome<std::string>>().error() == Errc::circuit_open);
    CHECK(refused<void, Outcome<void>>().error() == Errc::circuit_open);
}

TEST_CASE("a coroutine that succeeds returns what it returned, whatever its type") {
    World world;
    Pipeline pipeline{Deadline{1s}, Retry{}, Timeout{{.limit = 100ms}}};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        const Result<int> result = co_await co_run(
            pipeline, [](CallContext&) -> net::awaitable<Result<int>> { co_return 1; }
        );
        CHECK(result.value() == 1);
        const std::error_code code = co_await co_run(
            pipeline,
            [](CallContext&) -> net::awaitable<std::error_code> {
                co_return make_error_code(Errc::not_found);
            }
        );
        CHECK(code == make_error_code(Errc::not_found));
        const Outcome<std::string> text =
            co_await co_run(pipeline, [](CallContext&) -> net::awaitable<std::string> {
                co_return "text";
            });
        CHECK(*text == "text");
        const Outcome<void> nothing = co_await co_run(
            pipeline, [](CallContext&) -> net::awaitable<void> { co_return; }
        );
        CHECK(nothing.has_value());
    });
    CHECK(!thrown);
}

TEST_CASE("a classifier of one's own is shown Boost's exceptions as std::system_error") {
    struct OfOneOwn {
        Classification operator()(const Outcome<int>&) const { return {}; }
        Classification operator()(const std::exception_ptr& thrown) const {
            const Classification usual = classify(thrown);
            const bool transient = usual.verdict == Verdict::transient;
            return {transient ? Verdict::client_error : Verdict::permanent};
        }
    };
    World world;
    CircuitBreaker breaker{opens_at_once()};
    auto pipeline = Pipeline{breaker}.classified_by(OfOneOwn{});
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [](CallContext&) -> net::awaitable<int> {
            throw boost::system::system_error{net::error::connection_reset};
        });
    });
    CHECK(thrown);
    CHECK(breaker.snapshot().state == CircuitState::closed);
}

TEST_CASE("Boost's exceptions are classified by their codes") {
    World world;
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 3}};
    Pipeline pipeline{Deadline{1h}, Retry{{.attempts = 3}}, breaker};
    int calls = 0;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [&](CallContext&) -> net::awaitable<int> {
            ++calls;
            throw boost::system::system_error{net::error::connection_refused};
            co_return 1;
        });
    });
    INFO("transient: retried, and counted by the breaker");
    CHECK(calls == 3);
    CHECK(breaker.state(world.time.now()) == CircuitState::open);
    REQUIRE(thrown);
    CHECK_THROWS_AS(std::rethrow_exception(thrown), boost::system::system_error);
}

TEST_CASE("what a coroutine throws leaves the pipeline as it is, and is no success") {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    Bulkhead bulkhead{{.limit = 1}};
    Pipeline pipeline{Deadline{1s}, breaker, bulkhead};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [](CallContext&) -> net::awaitable<int> {
            throw std::runtime_error{"broken"};
            co_return 1;
        });
    });
    REQUIRE(thrown);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(thrown), "broken", std::runtime_error);
    CHECK(breaker.state(world.time.now()) == CircuitState::open);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("an operation that throws before it is a coroutine is a failure like any other"
) {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    Pipeline pipeline{breaker};
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [](CallContext&) -> net::awaitable<int> {
            throw std::runtime_error{"not even begun"};
        });
    });
    CHECK(thrown);
    CHECK(breaker.state(world.time.now()) == CircuitState::open);
}

TEST_CASE("a deadline cancels the operation and awaits its end") {
    World world;
    Pipeline pipeline{Deadline{100ms}};
    ScriptedOperation<int> obeys;
    obeys.hang();
    ScriptedOperation<int> deaf;
    deaf.ignore_cancellation(300ms, 7);
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        Result<int> r = co_await co_run(pipeline, [&](CallContext& c) {
            CHECK(c.deadline == world.start + 100ms);
            return obeys();
        });
        CHECK(r.error() == Errc::timed_out_in_doubt);
        CHECK(obeys.in_flight() == 0);
        CHECK(world.elapsed() == 100ms);
        r = co_await co_run(pipeline, [&](CallContext&) { return deaf(); });
        INFO("an answer stands however late it is");
        CHECK(r.value() == 7);
        CHECK(world.elapsed() == 400ms);
    });
    CHECK(!thrown);
}

TEST_CASE("a deadline ends the wait between two attempts, and the wait for a slot") {
    World world;
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 1h}};
    Pipeline pipeline{Deadline{100ms}, bulkhead};
    const auto held = bulkhead.try_acquire();
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        ScriptedOperation<int> op;
        const Result<int> r =
            co_await co_run(pipeline, [&](CallContext&) { return op(); });
        CHECK_FALSE(r.has_value());
        CHECK(op.calls() == 0);
    });
    CHECK(!thrown);
    CHECK(world.elapsed() == 100ms);
    CHECK(bulkhead.snapshot().waiting == 0);
}

TEST_CASE("5.7: a coroutine's wait for a slot is no time that the peer took") {
    World world;
    CircuitBreaker breaker{{.slow_ratio = 0.5, .slow_after = 1h, .min_calls = 1}};
    Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 24h}};
    Pipeline pipeline{breaker, bulkhead};
    auto held = bulkhead.try_acquire();
    const auto run = [&](std::chrono::nanoseconds lasts) {
        const auto thrown = world.run([&]() -> net::awaitable<void> {
            const net::any_io_executor executor = co_await net::this_coro::executor;
            Timer timer{executor};
            timer.async_wait_until(timer.now() + 2h, [&](Result<void>) {
                std::move(held).done();
            });
            const Outcome<int> end =
                co_await co_run(pipeline, [&](CallContext&) { return wait_for(lasts); });
            CHECK(*end == 1);
        });
        CHECK(!thrown);
    };
    SUBCASE("quick") {
        run(59min);
        CHECK(breaker.state(world.time.now()) == CircuitState::closed);
    }
    SUBCASE("slow") {
        run(61min);
        CHECK(breaker.state(world.time.now()) == CircuitState::open);
    }
    CHECK(world.elapsed() > 2h);
}

TEST_CASE("a Timeout that came to detach its call is refused in a pipeline") {
    World world;
    Bulkhead bulkhead{{.limit = 1}};
    Timeout timeout{{.limit = 1s}};
    Pipeline pipeline{bulkhead, timeout};
    timeout.reconfigure({.limit = 1s, .detach_after = 1s});
    ScriptedOperation<int> op;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        (void)co_await co_run(pipeline, [&](CallContext&) { return op(); });
    });
    REQUIRE(thrown);
    CHECK_THROWS_WITH_AS(
        std::rethrow_exception(thrown),
        doctest::Contains("TimeoutOptions::detach_after"),
        std::invalid_argument
    );
    CHECK(op.calls() == 0);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("an exception in async_run becomes a refusal with its code") {
    World world;
    Pipeline pipeline{Deadline{1s}};
    const auto result_of = [&](auto exception) {
        auto future = async_run(
            world.context.get_executor(),
            pipeline,
            [exception](CallContext&) -> net::awaitable<int> {
                throw exception;
                co_return 1;
            },
            net::use_future
        );
        world.time.run();
        return future.get();
    };
    const auto refused =
        result_of(boost::system::system_error{net::error::host_not_found});
    CHECK(refused.error().code == boost::system::error_code{net::error::host_not_found});
    const auto aborted =
        result_of(boost::system::system_error{net::error::operation_aborted});
    CHECK(aborted.error() == Errc::cancelled_in_doubt);
    CHECK(
        result_of(std::system_error{make_error_code(Errc::corrupt_data)}).error() ==
        Errc::corrupt_data
    );
    const auto unknown = result_of(std::runtime_error{"broken"});
    CHECK(unknown.error() == Errc::internal);
    CHECK(unknown.error().detail == "broken");
    CHECK(result_of(1).error() == Errc::internal);
}

TEST_CASE("async_run takes any completion token") {
    World world;
    Pipeline pipeline{Deadline{1s}};
    const auto one = [](CallContext&) -> net::awaitable<Result<int>> { co_return 1; };
    int answers = 0;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        const Result<int> deferred = co_await async_run(executor, pipeline, one);
        answers += deferred.value();
        const Result<int> awaited =
            co_await async_run(executor, pipeline, one, net::use_awaitable);
        answers += awaited.value();
    });
    CHECK(!thrown);
    CHECK(answers == 2);
    async_run(world.context.get_executor(), pipeline, one, [&](Result<int> r) {
        answers += r.value();
    });
    INFO("the handler is never called from within async_run");
    CHECK(answers == 2);
    world.time.run();
    CHECK(answers == 3);
}

TEST_CASE("cancellation of each type ends an attempt, a wait for a slot, and a back-off"
) {
    using Type = net::cancellation_type;
    for (const Type type : {Type::terminal, Type::partial, Type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        World world;
        CircuitBreaker breaker{opens_at_once()};
        Bulkhead bulkhead{{.limit = 1, .queue = 1, .max_wait = 1h}};
        Retry retry{{.attempts = 3, .base = 20s, .jitter = Jitter::none}};
        const auto cancelled = [&](auto& pipeline, ScriptedOperation<int>& op) {
            net::cancellation_signal signal;
            std::optional<Result<int>> result;
            const TimePoint start = world.time.now();
            async_run(
                world.context.get_executor(),
                pipeline,
                [&](CallContext&) { return op(); },
                net::bind_cancellation_slot(
                    signal.slot(), [&](Result<int> r) { result = std::move(r); }
                )
            );
            world.time.run_for(10s);
            CHECK_FALSE(result);
            signal.emit(type);
            world.time.run();
            REQUIRE(result);
            CHECK(world.time.now() == start + 10s);
            CHECK(op.in_flight() == 0);
            return result->error();
        };
        Pipeline bare{breaker, bulkhead};
        ScriptedOperation<int> hangs;
        hangs.hang();
        CHECK(cancelled(bare, hangs) == Errc::cancelled_in_doubt);
        // A timeout runs what is inside it as a coroutine of its own.
        Pipeline timed{Deadline{1h}, retry, breaker, bulkhead, Timeout{{.limit = 1min}}};
        CHECK(cancelled(timed, hangs) == Errc::cancelled_in_doubt);
        INFO("a cancellation by the caller says nothing about the peer");
        CHECK(breaker.state(world.time.now()) == CircuitState::closed);
        {
            const auto held = bulkhead.try_acquire();
            ScriptedOperation<int> waits;
            CHECK(cancelled(timed, waits) == Errc::cancelled);
            CHECK(waits.calls() == 0);
        }
        breaker.force_closed();
        ScriptedOperation<int> fails;
        fails.fail_after(1ms, fail(Errc::unavailable));
        INFO("the last failure is what is known");
        CHECK(cancelled(timed, fails) == Errc::unavailable);
        CHECK(fails.calls() == 1);
        CHECK(bulkhead.snapshot().in_use == 0);
    }
}

TEST_CASE("co_run leaves the caller's coroutine as it found it") {
    World world;
    const auto thrown = world.run([&]() -> net::awaitable<void> {
        Pipeline good{Deadline{1s}};
        (void
        )co_await co_run(good, [](CallContext&) -> net::awaitable<int> { co_return 1; });
        CHECK(co_await net::this_coro::throw_if_cancelled());
        Timeout detaches{{.limit = 1s}};
        Pipeline bad{detaches};
        detaches.reconfigure({.limit = 1s, .detach_after = 1s});
        try {
            (void)co_await co_run(bad, [](CallContext&) -> net::awaitable<int> {
                co_return 1;
            });
        } catch (const std::invalid_argument&) {
        }
        CHECK(co_await net::this_coro::throw_if_cancelled());
    });
    CHECK(!thrown);
}
