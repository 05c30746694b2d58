// SPDX-License-Identifier: MIT
#include <resilience/asio/detail/run_on.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/testing/cancel_everywhere.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using namespace resilience;
using testing::VirtualTime;

namespace {

using Words = Result<std::string>;

net::awaitable<void> give_way() {
    const auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);
}

net::awaitable<Words> words_after_a_while() {
    for (int i = 0; i < 3; ++i) co_await give_way();
    co_return std::string{"some words"};
}

net::awaitable<Words> words_never(int& begun) {
    ++begun;
    Timer timer{co_await net::this_coro::executor};
    const auto waited =
        co_await timer.async_wait_until(TimePoint::max(), net::use_awaitable);
    co_return waited.error();
}

// An operation as an adapter makes it: on a strand of its own.
template <class CompletionToken>
auto async_words(const net::any_io_executor& strand, CompletionToken&& token) {
    return net::async_initiate<CompletionToken, void(Words)>(
        [strand](auto handler) {
            detail::run_on<std::string>(
                strand, words_after_a_while(), Handler<std::string>{std::move(handler)}
            );
        },
        token
    );
}

/// Runs `work` on `there` for a caller on `here`, who cancels by `signal`.
void run(
    net::io_context& there,
    net::io_context& here,
    net::cancellation_signal& signal,
    net::awaitable<Words> work,
    std::optional<Words>& result
) {
    auto keep = [&result](Words words) { result.emplace(std::move(words)); };
    detail::run_on<std::string>(
        there.get_executor(),
        std::move(work),
        net::bind_cancellation_slot(
            signal.slot(), net::bind_executor(here.get_executor(), std::move(keep))
        )
    );
}

constexpr auto terminal = net::cancellation_type::terminal;

}  // namespace

TEST_CASE("an operation on another executor can be struck at any time, also too late") {
    int ended = 0;
    const auto scenario = [&](VirtualTime& time) -> net::awaitable<void> {
        const net::any_io_executor strand = net::make_strand(time.get_executor());
        for (int i = 0; i < 3; ++i) {
            const auto words = co_await async_words(strand, net::use_awaitable);
            CHECK(
                (words.has_value() || words.error() == Errc::cancelled ||
                 words.error() == Errc::cancelled_in_doubt)
            );
            // The next operation of this coroutine has the slot now.
            co_await give_way();
        }
        ++ended;
    };
    const auto report =
        testing::cancel_everywhere(scenario, [](const testing::CancelledRun&) {});
    CHECK(ended > 0);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
    CHECK(report.points > 30);
}

TEST_CASE("what is cancelled before its first step on another executor does not begin") {
    for (const auto type : {terminal, net::cancellation_type::total}) {
        net::io_context context;
        net::cancellation_signal signal;
        int begun = 0;
        std::optional<Words> result;
        net::post(context, [&] { signal.emit(type); });
        run(context, context, signal, words_never(begun), result);
        CHECK_NOTHROW(context.poll());
        CHECK(begun == 0);
        REQUIRE(result.has_value());
        CHECK(result->error() == Errc::cancelled);
    }
}

TEST_CASE(
    "what is cancelled before the first step that its strand has queued does not begin"
) {
    net::io_context context;
    net::cancellation_signal signal;
    int begun = 0;
    std::optional<Words> result;
    detail::run_on<std::string>(
        net::make_strand(context),
        words_never(begun),
        net::bind_cancellation_slot(
            signal.slot(), [&](Words words) { result.emplace(std::move(words)); }
        )
    );
    signal.emit(terminal);
    CHECK_NOTHROW(context.poll());
    CHECK(begun == 0);
    REQUIRE(result.has_value());
    CHECK(result->error() == Errc::cancelled);
}

TEST_CASE("what is cancelled while it runs to its end in one go ends with its value") {
    net::io_context context;
    net::cancellation_signal signal;
    std::optional<Words> result;
    const auto work = [&]() -> net::awaitable<Words> {
        signal.emit(terminal);
        co_return std::string{"all the same"};
    };
    run(context, context, signal, work(), result);
    CHECK_NOTHROW(context.run());
    REQUIRE(result.has_value());
    CHECK(result->value() == "all the same");
}

TEST_CASE("an exception on another executor is a failure of the operation") {
    net::io_context context;
    net::cancellation_signal signal;
    std::optional<Words> result;
    const auto work = []() -> net::awaitable<Words> {
        co_await give_way();
        throw std::runtime_error("no");
    };
    run(context, context, signal, work(), result);
    context.run();
    REQUIRE(result.has_value());
    CHECK(result->error() == Errc::internal);
    CHECK(result->error().detail == "no");
}

TEST_CASE("a cancellation under way to another executor finds the slot cleared") {
    enum class By { owner, other_operation, destruction };
    for (const By by : {By::owner, By::other_operation, By::destruction}) {
        // Steps of the operation that are done before it is cancelled.
        for (int steps = 1; steps < 8; ++steps) {
            CAPTURE(steps);
            net::io_context here;
            net::io_context there;
            auto signal = std::make_unique<net::cancellation_signal>();
            std::optional<Words> result;
            run(there, here, *signal, words_after_a_while(), result);
            for (int i = 0; i < steps; ++i) (void)there.poll_one();
            signal->emit(terminal);
            if (by == By::owner) signal->slot().clear();
            if (by == By::other_operation) {
                signal->slot().assign([](net::cancellation_type) {});
            }
            if (by == By::destruction) signal.reset();
            there.run();
            here.run();
            REQUIRE(result.has_value());
            CHECK((result->has_value() || result->error() == Errc::cancelled_in_doubt));
        }
    }
}

TEST_CASE("an operation can be cancelled when it has ended and its slot is as it was") {
    net::io_context here;
    net::io_context there;
    net::cancellation_signal signal;
    std::optional<Words> result;
    run(there, here, signal, words_after_a_while(), result);
    there.run();
    signal.emit(terminal);
    here.run();
    REQUIRE(result.has_value());
    CHECK(result->has_value());
    signal.emit(terminal);
    there.restart();
    CHECK_NOTHROW(there.run());
}

TEST_CASE("an operation is cancelled by a slot that outlives its context") {
    net::io_context here;
    net::cancellation_signal signal;
    std::optional<Words> result;
    std::optional<net::io_context> there{std::in_place};
    int begun = 0;
    SUBCASE("when it has not begun") {
        run(*there, here, signal, words_never(begun), result);
        CHECK(begun == 0);
    }
    SUBCASE("while it is pending") {
        run(*there, here, signal, words_never(begun), result);
        (void)there->poll();
        CHECK(begun == 1);
    }
    SUBCASE("while it is pending and its cancellation is under way") {
        run(*there, here, signal, words_never(begun), result);
        (void)there->poll();
        signal.emit(terminal);
    }
    SUBCASE("when it has ended") {
        run(*there, here, signal, words_after_a_while(), result);
        there->run();
        here.run();
        CHECK(result.has_value());
        result.reset();
    }
    there.reset();
    signal.emit(terminal);
    here.restart();
    here.run();
    CHECK_FALSE(result.has_value());
}

TEST_CASE("an operation is cancelled from the thread of its caller") {
    constexpr int rounds = 300;
    net::thread_pool there{2};
    net::thread_pool callers{2};
    const auto here = net::make_strand(callers.get_executor());
    int begun = 0;
    int ended = 0;
    const net::any_io_executor strand = net::make_strand(there.get_executor());
    net::cancellation_signal signal;
    std::function<void()> next = [&] {
        const auto keep = [&](const Words& words) {
            CHECK(words.has_error());
            if (++ended < rounds) next();
        };
        detail::run_on<std::string>(
            strand,
            words_never(begun),
            net::bind_cancellation_slot(signal.slot(), net::bind_executor(here, keep))
        );
        net::post(here, [&] { signal.emit(terminal); });
    };
    net::post(here, next);
    callers.join();
    there.join();
    CHECK(ended == rounds);
    CHECK(begun <= rounds);
}
