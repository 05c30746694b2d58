// SPDX-License-Identifier: MIT
#include "src/outbox/run_on_strand.hpp"

#include <resilience/testing/cancel_everywhere.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <optional>
#include <stdexcept>

using namespace resilience;
using testing::VirtualTime;

namespace {

net::awaitable<void> give_way() {
    const auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);
}

net::awaitable<int> seven_after_a_while() {
    for (int i = 0; i < 3; ++i) co_await give_way();
    co_return 7;
}

/// The end of a coroutine, which is cancelled without its executor.
struct CancelledBy {
    using cancellation_slot_type = net::cancellation_slot;

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return signal->slot();
    }
    void operator()(const std::exception_ptr&) const {}

    net::cancellation_signal* signal;
};

net::awaitable<int> failing() {
    co_await give_way();
    throw std::runtime_error("no");
}

}  // namespace

TEST_CASE("what runs on a strand can be struck at any suspension, also too late") {
    int ended = 0;
    const auto scenario = [&](VirtualTime& time) -> net::awaitable<void> {
        const auto strand = net::make_strand(net::any_io_executor{time.get_executor()});
        for (int i = 0; i < 3; ++i) {
            const int seven =
                co_await detail::run_on_strand(strand, seven_after_a_while());
            CHECK(seven == 7);
            // The awaiting coroutine's next operation has the slot now.
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

TEST_CASE("what runs on a strand completes on the executor of who awaits it") {
    net::thread_pool pool{2};
    net::io_context context;
    const auto strand = net::make_strand(net::any_io_executor{pool.get_executor()});
    bool here = false;
    const auto work = [&]() -> net::awaitable<void> {
        (void)co_await detail::run_on_strand(strand, seven_after_a_while());
        here = context.get_executor().running_in_this_thread();
    };
    net::co_spawn(context, work(), net::detached);
    context.run();
    CHECK(here);
}

TEST_CASE("an exception on a strand reaches who awaits it") {
    net::io_context context;
    const auto strand = net::make_strand(net::any_io_executor{context.get_executor()});
    auto result =
        net::co_spawn(context, detail::run_on_strand(strand, failing()), net::use_future);
    context.run();
    CHECK_THROWS_AS(result.get(), std::runtime_error);
}

TEST_CASE("what is cancelled before it begins on a strand throws to who awaits it") {
    net::io_context context;
    net::cancellation_signal signal;
    const auto strand = net::make_strand(net::any_io_executor{context.get_executor()});
    bool begun = false;
    bool cancelled = false;
    const auto work = [&]() -> net::awaitable<int> {
        begun = true;
        co_return 7;
    };
    const auto await_it = [&]() -> net::awaitable<void> {
        // Comes first on the strand, before what is about to be run there.
        net::post(strand, [&] { signal.emit(net::cancellation_type::terminal); });
        try {
            (void)co_await detail::run_on_strand(strand, work());
        } catch (const boost::system::system_error& error) {
            cancelled = error.code() == net::error::operation_aborted;
        }
    };
    net::co_spawn(
        context, await_it(), net::bind_cancellation_slot(signal.slot(), net::detached)
    );
    CHECK_NOTHROW(context.poll());
    CHECK_FALSE(begun);
    CHECK(cancelled);
}

TEST_CASE("what runs on a strand is cancelled by a slot that outlives its context") {
    net::cancellation_signal signal;
    std::optional<net::io_context> context{std::in_place};
    const auto await_it = [&]() -> net::awaitable<void> {
        const auto strand =
            net::make_strand(net::any_io_executor{context->get_executor()});
        (void)co_await detail::run_on_strand(strand, seven_after_a_while());
    };
    net::co_spawn(*context, await_it(), CancelledBy{&signal});
    SUBCASE("while it is pending") { (void)context->poll_one(); }
    SUBCASE("while it is pending and its cancellation is under way") {
        (void)context->poll_one();
        signal.emit(net::cancellation_type::terminal);
    }
    SUBCASE("when it has ended") { context->run(); }
    context.reset();
    CHECK_NOTHROW(signal.emit(net::cancellation_type::terminal));
}
