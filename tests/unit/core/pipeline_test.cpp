// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/retry.hpp>
#include <resilience/testing/virtual_environment.hpp>
#include <resilience/throttle.hpp>
#include <resilience/token_bucket.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

struct World {
    testing::ManualClock clock;
    Random random{1};

    testing::VirtualEnvironment environment() { return {clock, random}; }
};

CircuitBreakerOptions opens_at_once() {
    return {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 1};
}

/// A guard that writes down when it is asked, and what it is told.
template <PipelineStage kind>
struct Recorder {
    static constexpr PipelineStage pipeline_stage = kind;
    static constexpr Errc refusal = Errc::shed;

    struct Permit {
        Recorder* owner;

        explicit operator bool() const { return owner->admits; }
        std::chrono::nanoseconds retry_after() const { return owner->wait; }
        void done(Verdict verdict, TimePoint) && { owner->verdicts.push_back(verdict); }
    };

    Permit try_acquire(TimePoint) {
        if (log) log->push_back(kind);
        return {this};
    }

    std::vector<PipelineStage>* log = nullptr;
    bool admits = true;
    std::chrono::nanoseconds wait{0};
    std::vector<Verdict> verdicts{};
};

Outcome<int> unavailable() { return fail(Errc::unavailable); }

}  // namespace

TEST_CASE("a pipeline returns what the operation returned") {
    Pipeline pipeline{Deadline{1s}};
    CHECK(*pipeline.run([](CallContext& c) { return c.attempt; }) == 1);
    CHECK(pipeline.run([](CallContext&) {}).has_value());
}

TEST_CASE("stages stand in the default order, however they are listed") {
    std::vector<PipelineStage> log;
    Recorder<PipelineStage::chaos> last{&log};
    Recorder<PipelineStage::breaker> first{&log};
    Recorder<PipelineStage::breaker> second{&log};
    Recorder<PipelineStage::rate_limit> limit{&log};
    Pipeline pipeline{last, first, limit, second};
    REQUIRE(pipeline.run([](CallContext&) { return 1; }));
    using enum PipelineStage;
    CHECK(log == std::vector{rate_limit, breaker, breaker, chaos});
    CHECK(&pipeline.stage<1>() == &first);
    CHECK(&pipeline.stage<2>() == &second);
}

TEST_CASE("stages listed on purpose stay as listed") {
    std::vector<PipelineStage> log;
    Recorder<PipelineStage::bulkhead> outer{&log};
    Recorder<PipelineStage::rate_limit> inner{&log};
    Pipeline pipeline{AsListed{}, outer, inner};
    REQUIRE(pipeline.run([](CallContext&) { return 1; }));
    CHECK(log == std::vector{PipelineStage::bulkhead, PipelineStage::rate_limit});
}

TEST_CASE("a refusal comes back as a value with its wait, and nothing inside is asked") {
    Recorder<PipelineStage::breaker> breaker{.admits = false, .wait = 7s};
    Recorder<PipelineStage::bulkhead> bulkhead;
    Pipeline pipeline{breaker, bulkhead};
    bool called = false;
    const Outcome<int> refused = pipeline.run([&](CallContext&) {
        called = true;
        return 1;
    });
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Errc::shed);
    CHECK(refused.error().retry_after == 7s);
    CHECK_FALSE(called);
    CHECK(bulkhead.verdicts.empty());
}

TEST_CASE("what the operation throws counts as a failure, and leaves the pipeline") {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    Bulkhead bulkhead{{.limit = 1}};
    auto pipeline = Pipeline{breaker, bulkhead}.with(world.environment());
    const auto throws = [](CallContext&) -> int { throw std::runtime_error{"broken"}; };
    CHECK_THROWS_WITH_AS((void)pipeline.run(throws), "broken", std::runtime_error);
    CHECK(breaker.state(world.clock.now()) == CircuitState::open);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("an exception that classifies as transient is retried") {
    World world;
    auto pipeline = Pipeline{Deadline{1h}, Retry{}}.with(world.environment());
    int calls = 0;
    const auto flaky = [&](CallContext&) {
        if (++calls < 3) throw std::system_error{make_error_code(Errc::unavailable)};
        return calls;
    };
    CHECK(*pipeline.run(flaky) == 3);
}

TEST_CASE("a classifier that throws leaves no permit behind, and the next call runs") {
    World world;
    Bulkhead bulkhead{{.limit = 1}};
    bool broken = true;
    struct Throwing {
        bool* broken;
        Classification operator()(const Outcome<int>& r) const {
            if (*broken) throw std::logic_error{"classifier"};
            return classify(r);
        }
        Classification operator()(const std::exception_ptr& e) const {
            return classify(e);
        }
    };
    auto pipeline =
        Pipeline{bulkhead}.with(world.environment()).classified_by(Throwing{&broken});
    const auto one = [](CallContext&) { return Outcome<int>{1}; };
    CHECK_THROWS_AS((void)pipeline.run(one), std::logic_error);
    CHECK(bulkhead.snapshot().in_use == 0);
    broken = false;
    CHECK(pipeline.run(one).has_value());
}

TEST_CASE("an attempt that was sent is paid for, also if its end cannot be judged") {
    World world;
    RetryBudget budget{
        {.ratio = 0, .min_per_sec = 0, .cap = 28, .initial = 28, .success_refund = 0},
        world.clock.now()};
    std::vector<std::uint32_t> attempts;
    struct ThrowsAtSecond {
        std::vector<std::uint32_t>* attempts;
        Classification operator()(const Outcome<int>& r) const {
            if (attempts->size() == 2) throw std::logic_error{"classifier"};
            return classify(r);
        }
        Classification operator()(const std::exception_ptr& e) const {
            return classify(e);
        }
    };
    auto pipeline = Pipeline{Deadline{1h}, Retry{{.attempts = 3}, &budget}}
                        .with(world.environment())
                        .classified_by(ThrowsAtSecond{&attempts});
    const auto fails = [&](CallContext& c) {
        attempts.push_back(c.attempt);
        return unavailable();
    };
    CHECK_THROWS_AS((void)pipeline.run(fails), std::logic_error);
    CHECK(attempts == std::vector<std::uint32_t>{1, 2});
    CHECK(budget.snapshot(world.clock.now()).available == 14);
}

TEST_CASE("attempts, not loops of attempts, reach the breaker") {
    World world;
    CircuitBreaker breaker{
        {.window = ConsecutiveWindowOptions{}, .consecutive_failures = 3}};
    auto pipeline =
        Pipeline{Deadline{1h}, Retry{{.attempts = 3}}, breaker}.with(world.environment());
    CHECK_FALSE(pipeline.run([](CallContext&) { return unavailable(); }));
    CHECK(breaker.state(world.clock.now()) == CircuitState::open);
}

TEST_CASE("a retry waits for an open breaker only if it opens in time") {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    RetryBudget budget{{}, world.clock.now()};
    auto pipeline = Pipeline{Deadline{3s}, Retry{{.attempts = 9}, &budget}, breaker}.with(
        world.environment()
    );
    const auto full = budget.snapshot(world.clock.now()).available;
    const TimePoint start = world.clock.now();
    int calls = 0;
    const Outcome<int> result = pipeline.run([&](CallContext&) {
        ++calls;
        return unavailable();
    });
    CHECK(result.error() == Errc::circuit_open);
    CHECK(calls == 1);
    CHECK(world.clock.now() - start < 3s);
    INFO("an open breaker takes one retry from the budget: the one before it was found");
    CHECK(full - budget.snapshot(world.clock.now()).available <= 14);
}

TEST_CASE("a deadline that is not positive is refused by name") {
    for (const auto after : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
        CHECK_THROWS_WITH_AS(
            Deadline{after}, "Deadline must be positive", std::invalid_argument
        );
    }
    CHECK(Deadline{1ns}.after() == 1ns);
}

TEST_CASE("a timeout that detaches its calls is refused when a pipeline is made of it") {
    Timeout detaches{{.limit = 1s, .detach_after = 1ns}};
    const doctest::Contains named{"TimeoutOptions::detach_after must be 0"};
    CHECK_THROWS_WITH_AS(Pipeline{detaches}, named, std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        (Pipeline{AsListed{}, Timeout{{.limit = 1s, .detach_after = 1ns}}}),
        named,
        std::invalid_argument
    );
    detaches.reconfigure({.limit = 1s});
    CHECK_NOTHROW(Pipeline{detaches});
}

TEST_CASE("a stage sees the deadline of the stages outside it, and no later one") {
    World world;
    auto pipeline =
        Pipeline{Deadline{100ms}, Timeout{{.limit = 1s}}}.with(world.environment());
    const TimePoint start = world.clock.now();
    REQUIRE(pipeline.run([&](CallContext& c) {
        CHECK(c.deadline == start + 100ms);
        return 1;
    }));
    auto wide = Pipeline{Deadline{1h}, Timeout{{.limit = 1s}}}.with(world.environment());
    REQUIRE(wide.run([&](CallContext& c) {
        CHECK(c.deadline == start + 1s);
        return 1;
    }));
}

TEST_CASE("a failure past the deadline is a timeout, and a failure for the breaker") {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    auto pipeline = Pipeline{breaker, Timeout{{.limit = 1s}}}.with(world.environment());
    const Outcome<int> late = pipeline.run([&](CallContext&) -> Outcome<int> {
        world.clock.advance(2s);
        return fail(Errc::cancelled_in_doubt);
    });
    CHECK(late.error() == Errc::timed_out_in_doubt);
    CHECK(breaker.state(world.clock.now()) == CircuitState::open);
}

TEST_CASE("a failure before the deadline is the operation's own, whatever it says") {
    World world;
    Timeout timeout{{.limit = 1s}};
    auto pipeline = Pipeline{timeout}.with(world.environment());
    const Outcome<int> early = pipeline.run([&](CallContext&) -> Outcome<int> {
        world.clock.advance(1s - 1ns);
        return fail(Errc::cancelled_in_doubt);
    });
    CHECK(early.error() == Errc::cancelled_in_doubt);
    CHECK(timeout.snapshot().timed_out == 0);
}

TEST_CASE("an answer stands however late it is") {
    World world;
    auto pipeline = Pipeline{Timeout{{.limit = 1s}}}.with(world.environment());
    const auto late = [&](CallContext&) {
        world.clock.advance(2s);
        return 5;
    };
    CHECK(*pipeline.run(late) == 5);
}

TEST_CASE("a request to stop ends the waits and says nothing about the peer") {
    World world;
    CircuitBreaker breaker{opens_at_once()};
    auto pipeline = Pipeline{Deadline{1h}, Retry{}, breaker}.with(world.environment());
    std::stop_source stop;
    int calls = 0;
    const auto gives_up = [&](CallContext& c) -> Outcome<int> {
        ++calls;
        stop.request_stop();
        CHECK(c.stop.stop_requested());
        return fail(Errc::unavailable);
    };
    CHECK_FALSE(pipeline.run(gives_up, stop.get_token()));
    CHECK(calls == 1);
    CHECK(breaker.state(world.clock.now()) == CircuitState::closed);
}

TEST_CASE("a request to stop that ends the wait of a retry ends the call") {
    struct Interrupted {
        TimePoint now() const { return TimePoint{1h}; }
        std::uint64_t random() const { return 0; }
        bool sleep_until(TimePoint, const std::stop_token&) const { return false; }
    };
    auto pipeline = Pipeline{Deadline{1h}, Retry{}}.with(Interrupted{});
    int calls = 0;
    const Outcome<int> last = pipeline.run([&](CallContext&) {
        ++calls;
        return unavailable();
    });
    CHECK(calls == 1);
    CHECK(last.error() == Errc::unavailable);
}

TEST_CASE("a call that was given up before it began is not made, and no policy is asked"
) {
    std::vector<PipelineStage> log;
    Recorder<PipelineStage::breaker> guard{&log};
    Pipeline pipeline{Deadline{1h}, Retry{}, guard};
    std::stop_source stop;
    stop.request_stop();
    const Outcome<int> end =
        pipeline.run([](CallContext&) { return 1; }, stop.get_token());
    CHECK(end.error() == Errc::cancelled);
    CHECK(log.empty());
}

TEST_CASE("a hint beyond all time is waited for, not wrapped around to the past") {
    World world;
    constexpr std::chrono::nanoseconds longest = std::chrono::nanoseconds::max();
    auto pipeline =
        Pipeline{
            NoDeadline{},
            Retry{
                {.attempts = 3,
                 .cap = longest,
                 .jitter = Jitter::none,
                 .max_hint = longest}}}
            .with(world.environment());
    std::vector<TimePoint> begun;
    CHECK_FALSE(pipeline.run([&](CallContext& c) -> Outcome<int> {
        begun.push_back(c.now);
        return fail(Errc::unavailable, {}, longest);
    }));
    REQUIRE(begun.size() >= 2);
    CHECK(begun[1] == TimePoint::max());
}

TEST_CASE("the clock is read once at the entry and once at the end of an attempt") {
    struct Counting {
        int* reads;
        TimePoint now() const {
            ++*reads;
            return TimePoint{1h};
        }
        std::uint64_t random() const { return 0; }
        bool sleep_until(TimePoint, const std::stop_token&) const { return true; }
    };
    int reads = 0;
    CircuitBreaker breaker;
    Bulkhead bulkhead;
    TokenBucket bucket{{.tokens = 1, .period = 1h, .burst = 1}};
    auto pipeline =
        Pipeline{Deadline{1s}, Retry{}, bucket, breaker, bulkhead}.with(Counting{&reads});
    REQUIRE(pipeline.run([](CallContext&) { return 1; }));
    CHECK(reads == 2);
    reads = 0;
    CHECK_FALSE(pipeline.run([](CallContext&) { return 1; }));
    CHECK(reads == 1);
}

TEST_CASE("a throttle is a stage like a breaker, and is told of every end") {
    World world;
    Throttle throttle;
    auto pipeline = Pipeline{throttle}.with(world.environment());
    REQUIRE(pipeline.run([](CallContext&) { return 1; }));
    static_assert(Guard<Throttle<>>);
    static_assert(Guard<CircuitBreaker<>>);
}
