// SPDX-License-Identifier: MIT
#include <resilience/asio/limiter.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/cancel_everywhere.hpp>
#include <unit/asio/world.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;

const LimiterWait kLong{.max_wait = 24h};
const TokenBucketOptions kSlow{.tokens = 1, .period = 100ms, .burst = 1, .max_debt = 3};

/// How an operation ended, and when.
struct End {
    Result<void> result;
    TimePoint time;
};

/// A limiter in a context of virtual time.
template <class Limiter>
struct Limited {
    explicit Limited(const typename Limiter::Options& options)
        : limiter(options), context(std::in_place), time(*context) {}

    /// Begins to acquire; yields where the end will stand.
    std::optional<End>& acquire(
        std::uint32_t n = 1,
        const LimiterWait& wait = kLong,
        net::cancellation_slot cancel = {}
    ) {
        ends.push_back(std::make_unique<std::optional<End>>());
        auto& end = *ends.back();
        auto keep = [this, &end](Result<void> r) { end.emplace(End{r, time.now()}); };
        async_acquire(
            limiter,
            n,
            wait,
            net::bind_cancellation_slot(
                cancel, net::bind_executor(context->get_executor(), std::move(keep))
            )
        );
        return end;
    }

    Limiter limiter;
    std::optional<net::io_context> context;
    testing::VirtualTime time;
    std::vector<std::unique_ptr<std::optional<End>>> ends;
};

using Bucket = Limited<TokenBucket>;

bool admitted(const std::optional<End>& end, TimePoint when) {
    return end && end->result && end->time == when;
}

bool refused(const std::optional<End>& end, std::chrono::nanoseconds retry_after) {
    return end && end->result.has_error() && end->result.error() == Errc::rate_limited &&
           end->result.error().retry_after == retry_after;
}

bool cancelled(const std::optional<End>& end) {
    return end && end->result.has_error() && end->result.error() == Errc::cancelled;
}

static_assert(ReservingLimiter<TokenBucket> && ReservingLimiter<LeakyBucket>);

}  // namespace

TEST_CASE("what is there is had at once, though not within the call") {
    Bucket world{kSlow};
    const TimePoint start = world.time.now();
    auto& end = world.acquire(1, {.max_wait = 0s});
    CHECK_FALSE(end);
    CHECK(world.limiter.snapshot(start).available == 0);
    world.time.run();
    CHECK(admitted(end, start));
    auto& nothing = world.acquire(0, {.max_wait = 0s, .deadline = start});
    world.time.run();
    CHECK(admitted(nothing, start));
}

TEST_CASE("what is promised is had at its instant, in the order of the beginnings") {
    Bucket world{kSlow};
    const TimePoint start = world.time.now();
    for (int i = 0; i < 4; ++i) world.acquire();
    world.time.run_until(start + 100ms - 1ns);
    CHECK(admitted(*world.ends[0], start));
    CHECK_FALSE(*world.ends[1]);
    world.time.run();
    for (int i = 0; i < 4; ++i) CHECK(admitted(*world.ends[i], start + i * 100ms));
    CHECK(world.time.waiting() == 0);

    Limited<LeakyBucket> paced{{.units = 1, .period = 1s, .capacity = 4}};
    const TimePoint begin = paced.time.now();
    for (int i = 0; i < 4; ++i) paced.acquire();
    paced.time.run();
    for (int i = 0; i < 4; ++i) CHECK(admitted(*paced.ends[i], begin + i * 1s));
}

TEST_CASE("who would wait too long is refused at once, and told when to come again") {
    Bucket world{kSlow};
    const TimePoint start = world.time.now();
    world.acquire();
    auto& by_default = *world.ends.emplace_back(std::make_unique<std::optional<End>>());
    auto& bound = world.acquire(1, {.max_wait = 99ms});
    auto& deadline = world.acquire(1, {.max_wait = 24h, .deadline = start + 60ms});
    auto& past = world.acquire(1, {.max_wait = 24h, .deadline = TimePoint::min()});
    auto& never = world.acquire(2);
    world.time.run_for(0s);
    CHECK(refused(bound, 1ms));
    CHECK(refused(deadline, 40ms));
    CHECK(refused(past, 100ms));
    CHECK(refused(never, Admission::never));
    async_acquire(
        world.limiter,
        1,
        net::bind_executor(
            world.context->get_executor(),
            [&](Result<void> r) {
                by_default.emplace(End{r, world.time.now()});
            }
        )
    );
    auto& in_time = world.acquire(1, {.max_wait = 200ms, .deadline = start + 200ms});
    auto& last = world.acquire();
    auto& indebted = world.acquire();
    world.time.run();
    CHECK(admitted(by_default, start + 100ms));
    CHECK(admitted(in_time, start + 200ms));
    CHECK(admitted(last, start + 300ms));
    CHECK(refused(indebted, 100ms));
    CHECK_THROWS_WITH_AS(
        world.acquire(1, {.max_wait = -1ns}),
        "LimiterWait::max_wait must not be negative",
        std::invalid_argument
    );
    Bucket slower{{.tokens = 1, .period = 1001ms, .burst = 1, .max_debt = 9}};
    slower.acquire();
    auto& default_bound = slower.acquire(1, {});
    slower.time.run();
    CHECK(refused(default_bound, 1ms));
}

TEST_CASE("every type of cancellation ends a wait, and the next has what it was for") {
    for (const auto type :
         {net::cancellation_type::terminal,
          net::cancellation_type::partial,
          net::cancellation_type::total}) {
        const auto strike = [type](auto& world, std::chrono::nanoseconds when) {
            const TimePoint start = world.time.now();
            net::cancellation_signal signal;
            world.acquire();
            auto& struck = world.acquire(1, kLong, signal.slot());
            signal.emit(net::cancellation_type::none);
            world.time.run_until(start + when - 1ns);
            CHECK_FALSE(struck);
            signal.emit(type);
            CHECK_FALSE(struck);
            world.time.run_for(0s);
            REQUIRE(cancelled(struck));
            auto& next = world.acquire();
            world.time.run();
            CHECK(admitted(next, start + 100ms));
            signal.emit(type);
            CHECK(world.time.waiting() == 0);
        };
        for (const auto when : {1ns, 50'000'000ns, 100'000'000ns}) {
            Bucket bucket{kSlow};
            strike(bucket, when);
            Limited<LeakyBucket> paced{{.units = 1, .period = 100ms, .capacity = 2}};
            strike(paced, when);
        }
    }
}

TEST_CASE("a cancellation between the end of the wait and the completion is heeded") {
    Bucket world{kSlow};
    const TimePoint start = world.time.now();
    net::cancellation_signal signal;
    world.acquire();
    world.time.run();
    auto& struck = world.acquire(1, kLong, signal.slot());
    while (world.time.waiting() > 0) world.time.step();
    CHECK_FALSE(struck);
    signal.emit(net::cancellation_type::total);
    world.time.run();
    CHECK(cancelled(struck));
    CHECK(world.limiter.snapshot(start + 100ms).available == 1);
}

TEST_CASE("a context that is destroyed gives back what was promised in it") {
    SUBCASE("to one that waits") {
        net::cancellation_signal signal;
        Bucket world{kSlow};
        const TimePoint start = world.time.now();
        world.acquire();
        world.time.run();
        world.acquire(1, kLong, signal.slot());
        CHECK_FALSE(world.limiter.peek(1, start + 100ms));
        world.context.reset();
        signal.emit(net::cancellation_type::terminal);
        CHECK(world.limiter.peek(1, start + 100ms));
    }
    SUBCASE("to many that wait: who comes next finds it as if none had") {
        TokenBucket bucket{{.tokens = 10, .period = 1h, .burst = 1, .max_debt = 50}};
        CHECK(bucket.try_acquire());
        std::optional<net::io_context> context{std::in_place};
        for (int i = 0; i < 50; ++i) {
            async_acquire(
                bucket,
                1,
                {.max_wait = 10h},
                net::bind_executor(context->get_executor(), [](Result<void>) {})
            );
        }
        context->poll();
        CHECK(bucket.snapshot().until_full > 5h);
        context.reset();
        CHECK(bucket.snapshot().until_full <= 6min);
    }
    SUBCASE("to one that had it at once, and does not know") {
        Bucket world{kSlow};
        const TimePoint start = world.time.now();
        world.acquire();
        CHECK_FALSE(world.limiter.peek(1, start));
        world.context.reset();
        CHECK(world.limiter.peek(1, start));
    }
    SUBCASE("by the machine's clock") {
        TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1, .max_debt = 1}};
        CHECK(bucket.try_acquire());
        std::optional<net::io_context> context{std::in_place};
        async_acquire(
            bucket,
            1,
            kLong,
            net::bind_executor(context->get_executor(), [](Result<void>) {})
        );
        context->poll();
        CHECK(bucket.snapshot().until_full > 1h);
        context.reset();
        CHECK(bucket.snapshot().until_full <= 1h);
    }
}

TEST_CASE("a context destroyed with several waits keeps nobody longer than was promised"
) {
    const auto destroy = [](auto world) {
        const TimePoint start = world->time.now();
        auto& first = world->acquire();
        for (int i = 0; i < 3; ++i) world->acquire();
        world->time.run_for(50ms);
        CHECK(admitted(first, start));
        CHECK(world->time.waiting() == 3);
        world->context.reset();
        CHECK(world->limiter.snapshot(start).until_full <= 400ms);
        CHECK(world->limiter.peek(1, start + 400ms));
    };
    destroy(std::make_unique<Bucket>(kSlow));
    destroy(std::make_unique<Limited<LeakyBucket>>(LeakyBucketOptions{
        .units = 1, .period = 100ms, .capacity = 4}));
}

TEST_CASE("cancelled or destroyed at each suspension, a limiter keeps what nobody had") {
    std::optional<TokenBucket> bucket;
    TimePoint start;
    int had = 0;
    const auto report = testing::cancel_everywhere(
        [&](testing::VirtualTime& time) -> net::awaitable<void> {
            bucket.emplace(TokenBucketOptions{
                .tokens = 1, .period = 1h, .burst = 1, .max_debt = 9});
            start = time.now();
            had = 0;
            for (int i = 0; i < 3; ++i) {
                const auto result = co_await async_acquire(*bucket, 1, kLong);
                if (!result) co_return;
                ++had;
            }
        },
        [&](const testing::CancelledRun& run) {
            CAPTURE(static_cast<int>(run.blow));
            CAPTURE(run.step);
            CHECK(bucket->snapshot(start).until_full == had * 1h);
            if (run.blow != testing::Blow::destroy) CHECK(run.waits_left == 0);
        }
    );
    CHECK(report.points > 10);
    CHECK(report.unfinished == 0);
    CHECK(report.endless == 0);
}

TEST_CASE("waits for a limiter allocate nothing once the first ones are made") {
    net::io_context context;
    TokenBucket bucket{{.tokens = 1'000, .period = 1s, .burst = 1, .max_debt = 1}};
    std::uint64_t made = 1;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            for (int run = 0; run < 2; ++run) {
                testing::AllocationCounter counter;
                for (int i = 0; i < 5; ++i) {
                    (void)co_await async_acquire(bucket, 1, kLong);
                    const auto much = co_await async_acquire(bucket, 2, kLong);
                    CHECK(much.has_error());
                }
                made = counter.made();
            }
        },
        net::detached
    );
    context.run();
    CHECK(made == 0);
}

TEST_CASE("a deadline that has passed forbids the wait, not what is there") {
    Bucket world{kSlow};
    const TimePoint start = world.time.now();
    auto& there = world.acquire(1, {.deadline = TimePoint::min()});
    auto& waits = world.acquire(1, {.deadline = TimePoint::min()});
    world.time.run();
    CHECK(admitted(there, start));
    CHECK(refused(waits, 100ms));
}

TEST_CASE("waits without an executor end once each, whatever thread cancels them when") {
    TokenBucket bucket{{.tokens = 1, .period = 20us, .burst = 1, .max_debt = 1'000'000}};
    int had = 0;
    int cancelled = 0;
    for (int i = 0; i < 500; ++i) {
        net::cancellation_signal signal;
        std::promise<Result<void>> end;
        async_acquire(
            bucket,
            1,
            kLong,
            net::bind_cancellation_slot(
                signal.slot(), [&](Result<void> r) { end.set_value(std::move(r)); }
            )
        );
        if (i % 2 == 0) std::this_thread::sleep_for(i % 50 * 1us);
        signal.emit(net::cancellation_type::total);
        const Result<void> result = end.get_future().get();
        ++(result.has_value() ? had : cancelled);
        CHECK((result.has_value() || result.error() == Errc::cancelled));
        signal.emit(net::cancellation_type::total);
    }
    CHECK(had + cancelled == 500);
}

TEST_CASE("a limiter is waited for as long as by default, if nothing is said of it") {
    Bucket world{kSlow};
    int had = 0;
    const auto begin = [&](auto operation) {
        std::move(operation)(net::bind_executor(
            world.context->get_executor(), [&](const Result<void>& r) { had += !!r; }
        ));
    };
    begin(async_acquire(world.limiter, 1, {}));
    begin(async_acquire(world.limiter, 1));
    begin(async_acquire(world.limiter, 1, net::deferred));
    world.time.run();
    CHECK(had == 3);
}

TEST_CASE("a limiter is waited for without an executor, and by a future") {
    TokenBucket bucket{{.tokens = 1'000, .period = 1s, .burst = 1, .max_debt = 1}};
    CHECK(async_acquire(bucket, 1, net::use_future).get().has_value());
    CHECK(async_acquire(bucket, 1, kLong, net::use_future).get().has_value());
}
