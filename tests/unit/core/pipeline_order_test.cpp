// SPDX-License-Identifier: MIT
// Every order of five policies: those that the check refuses are counted, all others run.
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

using enum PipelineStage;
using detail::mistake_in;
using detail::OrderMistake;
using detail::StageList;

constexpr std::size_t kPolicies = 5;
constexpr std::size_t kOrders = 120;
constexpr StageList<kPolicies> kKinds{breaker, bulkhead, rate_limit, timeout, retry};

using Order = std::array<std::size_t, kPolicies>;

/// The order number `number`, as indices into `kKinds`.
constexpr Order order_of(std::size_t number) {
    Order order{};
    std::array<bool, kPolicies> taken{};
    std::size_t orders = kOrders;
    for (std::size_t place = 0; place < kPolicies; ++place) {
        orders /= kPolicies - place;
        std::size_t skip = number / orders;
        number %= orders;
        std::size_t next = 0;
        while (taken[next] || skip-- > 0) ++next;
        taken[next] = true;
        order[place] = next;
    }
    return order;
}

/// The kinds in that order, below a deadline.
constexpr StageList<kPolicies + 1> kinds_of(const Order& order) {
    StageList<kPolicies + 1> kinds{deadline};
    for (std::size_t i = 0; i < kPolicies; ++i) kinds[i + 1] = kKinds[order[i]];
    return kinds;
}

constexpr std::size_t orders_with(OrderMistake mistake) {
    std::size_t found = 0;
    for (std::size_t n = 0; n < kOrders; ++n) {
        if (mistake_in(kinds_of(order_of(n))) == mistake) ++found;
    }
    return found;
}

constexpr RetryBudgetOptions kFixedBudget{
    .ratio = 0, .min_per_sec = 0, .cap = 70, .initial = 70, .success_refund = 0};

/// New policies for each test of each order.
struct World {
    testing::ManualClock clock{TimePoint{1h}};
    Random random{1};
    CircuitBreaker<> breaker{
        {.window = CountWindowOptions{},
         .failure_ratio = 0.01,
         .min_calls = 1,
         .consecutive_failures = 1,
         .open_for = 10s}};
    Bulkhead<> bulkhead{{.limit = 1, .queue = 0}};
    TokenBucket bucket{{.tokens = 1, .period = 10min, .burst = 10}};
    Timeout<> timeout{{.limit = 1s}};
    RetryBudget budget{kFixedBudget, clock.now()};
    Retry<> retry{
        {.attempts = 3, .base = 1s, .jitter = Jitter::none, .idempotent = true}, &budget};

    auto policies() { return std::tie(breaker, bulkhead, bucket, timeout, retry); }

    template <std::size_t number>
    auto pipeline() {
        return [this]<std::size_t... I>(std::index_sequence<I...>) {
            constexpr Order order = order_of(number);
            auto all = policies();
            return Pipeline{AsListed{}, Deadline{5s}, std::get<order[I]>(all)...}.with(
                testing::VirtualEnvironment{clock, random}
            );
        }
        (std::make_index_sequence<kPolicies>{});
    }

    double left_in_budget() const { return budget.snapshot(clock.now()).available; }
};

/// Calls `test` with a world and a pipeline of it for each order that is allowed.
template <class Test>
std::size_t for_each_order(Test test) {
    std::size_t ran = 0;
    const auto one = [&]<std::size_t number>() {
        constexpr auto kinds = kinds_of(order_of(number));
        if constexpr (mistake_in(kinds) == OrderMistake::none) {
            CAPTURE(number);
            World world;
            auto pipeline = world.pipeline<number>();
            test(world, pipeline);
            CHECK(world.bulkhead.snapshot().in_use == 0);
            ++ran;
        }
    };
    [&]<std::size_t... number>(std::index_sequence<number...>) {
        (one.template operator()<number>(), ...);
    }
    (std::make_index_sequence<kOrders>{});
    return ran;
}

std::uint32_t counted(const World& world) {
    return world.breaker.snapshot(world.clock.now()).counts.calls;
}

}  // namespace

TEST_CASE("of the orders of five policies, ten are allowed, and each other is known why"
) {
    using enum OrderMistake;
    CHECK(orders_with(none) == 10);
    // What is left of the others, in the order in which the mistakes are looked for.
    CHECK(orders_with(breaker_outside_retry) == 60);
    CHECK(orders_with(bulkhead_outside_retry) == 20);
    CHECK(orders_with(timeout_outside_retry) == 10);
    CHECK(orders_with(timeout_outside_bulkhead) == 15);
    CHECK(orders_with(timeout_outside_breaker) == 5);
    std::size_t all = 0;
    for (int m = 0; m <= static_cast<int>(retry_without_deadline); ++m) {
        all += orders_with(static_cast<OrderMistake>(m));
    }
    CHECK(all == kOrders);
}

TEST_CASE("in every order, a call that succeeds goes through all policies") {
    const std::size_t ran = for_each_order([](World& world, auto& pipeline) {
        const auto one = [&](CallContext& c) {
            CHECK(world.bulkhead.snapshot().in_use == 1);
            CHECK(c.deadline == world.clock.now() + 1s);
            return 1;
        };
        CHECK(pipeline.run(one).has_value());
        CHECK(counted(world) == 1);
        CHECK(world.bucket.snapshot(world.clock.now()).available == 9);
    });
    CHECK(ran == 10);
}

TEST_CASE("in every order, a full bulkhead never opens a breaker (resilience4j#1657)") {
    for_each_order([](World& world, auto& pipeline) {
        const auto held = world.bulkhead.try_acquire();
        const auto refused = pipeline.run([](CallContext&) { return 1; });
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == Errc::bulkhead_full);
        CHECK(world.breaker.state(world.clock.now()) == CircuitState::closed);
        CHECK(counted(world) == 0);
        CHECK(world.left_in_budget() == 70);
    });
}

TEST_CASE("in every order, an empty limiter never opens a breaker") {
    for_each_order([](World& world, auto& pipeline) {
        world.bucket.charge(10, world.clock.now());
        const auto refused = pipeline.run([](CallContext&) { return 1; });
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == Errc::rate_limited);
        CHECK(refused.error().retry_after == 10min);
        CHECK(world.breaker.state(world.clock.now()) == CircuitState::closed);
        CHECK(counted(world) == 0);
        CHECK(world.left_in_budget() == 70);
    });
}

TEST_CASE("in every order, an empty budget ends the retry, and no more is counted") {
    for_each_order([](World& world, auto& pipeline) {
        for (int i = 0; i < 5; ++i) {
            auto lease = world.budget.try_withdraw(Verdict::transient, world.clock.now());
            lease.sent();
            std::move(lease).done(Verdict::transient);
        }
        world.breaker.metrics_only();
        const auto failed = pipeline.run([](CallContext&) -> Outcome<int> {
            return fail(Errc::unavailable);
        });
        CHECK(failed.error() == Errc::unavailable);
        CHECK(counted(world) == 1);
    });
}

TEST_CASE(
    "in every order, an open breaker keeps neither a slot nor anything of the budget"
) {
    for_each_order([](World& world, auto& pipeline) {
        world.breaker.force_open();
        const auto refused = pipeline.run([](CallContext&) { return 1; });
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == Errc::circuit_open);
        CHECK(world.left_in_budget() == 70);
        INFO("a slot is there for the next call");
        CHECK(static_cast<bool>(world.bulkhead.try_acquire()));
    });
}

TEST_CASE(
    "in every order, a circuit that opens between two attempts costs no retry "
    "(virtrigaud PR #70)"
) {
    for_each_order([](World& world, auto& pipeline) {
        int calls = 0;
        const auto refused = pipeline.run([&](CallContext&) -> Outcome<int> {
            ++calls;
            return fail(Errc::unavailable);
        });
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == Errc::circuit_open);
        CHECK(calls == 1);
        INFO("the retry was paid for and refused: all of it came back");
        CHECK(world.left_in_budget() == 70);
    });
}

TEST_CASE("in every order, the breaker sees a timeout") {
    for_each_order([](World& world, auto& pipeline) {
        const auto late = pipeline.run([&](CallContext&) -> Outcome<int> {
            world.clock.advance(6s);
            return fail(Errc::cancelled_in_doubt);
        });
        CHECK(late.error() == Errc::timed_out_in_doubt);
        CHECK(world.breaker.state(world.clock.now()) == CircuitState::open);
    });
}

TEST_CASE("in the default order, an open breaker asks the bulkhead for nothing") {
    World world;
    const auto held = world.bulkhead.try_acquire();
    world.breaker.force_open();
    auto pipeline =
        Pipeline{world.bulkhead, world.breaker}.with(testing::VirtualEnvironment{
            world.clock, world.random});
    const auto refused = pipeline.run([](CallContext&) { return 1; });
    CHECK(refused.error() == Errc::circuit_open);
}
