// SPDX-License-Identifier: MIT
// What runs on a strand of its own, struck at each of its steps.
#include "delivered_world.hpp"
#include "relay_world.hpp"

#include <resilience/testing/cancel_everywhere.hpp>

#include <boost/asio/post.hpp>

#include <doctest/doctest.h>

using namespace resilience;
using testing::VirtualTime;

namespace {

// Another operation, which has the slot of the caller's after what was awaited before.
net::awaitable<void> give_way() {
    const auto executor = co_await net::this_coro::executor;
    co_await net::post(executor, net::use_awaitable);
}

template <class Scenario>
void strike(Scenario scenario) {
    const auto report =
        testing::cancel_everywhere(scenario, [](const testing::CancelledRun&) {});
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
    CHECK(report.points > 20);
}

}  // namespace

TEST_CASE("a relay can be struck at any time, also when its batch is done") {
    strike([](VirtualTime& time) -> net::awaitable<void> {
        relay_world::ScriptedSource source;
        relay_world::ScriptedSink sink;
        Relay relay{time.get_executor(), source, sink, {.seed = 1}};
        for (int i = 1; i <= 3; ++i) {
            source.rows.push_back(relay_world::claimed(i));
            const auto done = co_await relay.run_once();
            CHECK(done.has_value());
            co_await give_way();
        }
        source.on_empty = [&] { relay.stop(); };
        co_await relay.run();
        co_await give_way();
    });
}

TEST_CASE("a delivery report can be struck at any time, also when it has stopped") {
    strike([](VirtualTime& time) -> net::awaitable<void> {
        delivered_world::MemoryRows rows{time.get_executor()};
        DeliveryReport report{time.get_executor(), rows, {.seed = 1}};
        report.stop();
        for (int i = 0; i < 3; ++i) {
            co_await report.run();
            co_await give_way();
        }
    });
}
