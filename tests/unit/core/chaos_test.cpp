// SPDX-License-Identifier: MIT
#include <resilience/chaos.hpp>

#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/seeded_random.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using Instead = ChaosAction::Instead;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Reply {
    Reply(int v) : state(v) {}
    Reply(Failure f) : state(std::move(f)) {}
    bool has_value() const { return state.index() == 0; }
    int value() const { return std::get<0>(state); }
    const Failure& error() const { return std::get<1>(state); }
    std::variant<int, Failure> state;
};

const auto outcome = [] { return 99; };

/// Remembers how long it was told to wait, and does not.
struct FakeSleep {
    nanoseconds total{0};
    bool operator()(nanoseconds span, const std::stop_token& stop) {
        total += span;
        return !stop.stop_requested();
    }
};

struct Count {
    int* seen;
    void on(const ChaosInjected& event) noexcept { *seen += event.action ? 1 : 0; }
};

}  // namespace

TEST_CASE("chaos: an option out of range is refused by name, NaN too") {
    const auto refused = [](const ChaosOptions& options, const char* field) {
        try {
            Chaos chaos{options, outcome};
            FAIL("not refused");
        } catch (const std::invalid_argument& e) {
            CHECK(std::string{e.what()}.starts_with(field));
        }
    };
    for (const double bad : {-0.001, 1.001, kNan, HUGE_VAL}) {
        refused({.fault_rate = bad}, "ChaosOptions::fault_rate ");
        refused({.outcome_rate = bad}, "ChaosOptions::outcome_rate ");
        refused({.latency_rate = bad}, "ChaosOptions::latency_rate ");
    }
    const auto after_last = static_cast<Errc>(static_cast<int>(last_errc) + 1);
    CHECK_NOTHROW(Chaos{{.fault = last_errc}});
    for (const Errc bad :
         {Errc{}, after_last, static_cast<Errc>(9999), static_cast<Errc>(-1)}) {
        refused({.fault = bad}, "ChaosOptions::fault ");
    }
    refused({.fault_rate = 0.6, .outcome_rate = 0.5}, "ChaosOptions::outcome_rate ");
    for (const nanoseconds bad : {-1ns, nanoseconds{24h} + 1ns, nanoseconds::max()}) {
        refused({.latency = bad}, "ChaosOptions::latency ");
        refused({.latency_spread = bad}, "ChaosOptions::latency_spread ");
    }
    CHECK_THROWS_AS(Chaos<>{{.outcome_rate = 0.1}}, std::invalid_argument);
    CHECK_NOTHROW(Chaos{{.fault_rate = 0.5, .outcome_rate = 0.5}, outcome});
}

TEST_CASE("chaos: by default, or switched off, nothing befalls a call") {
    Chaos<> quiet;
    Chaos off{{.fault_rate = 1, .latency_rate = 1, .enabled = false}};
    testing::SeededRandom random;
    for (int i = 0; i < 1000; ++i) {
        CHECK(!quiet.decide(random()));
        CHECK(!quiet.next());
        CHECK(!off.next());
        CHECK(!off.decide(random()));
    }
    CHECK(off.run([] { return Reply{1}; }).value() == 1);
    CHECK(off.snapshot().faults == 0);
}

TEST_CASE("chaos: a rate of 1 befalls every call, whatever the dice") {
    Chaos fault{{.fault_rate = 1}};
    Chaos other{{.outcome_rate = 1}, outcome};
    Chaos slow{{.latency_rate = 1, .latency = 5ms, .latency_spread = 10ms}};
    testing::SeededRandom random;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t bits = i == 0 ? 0 : i == 1 ? ~std::uint64_t{0} : random();
        CHECK(fault.decide(bits) == ChaosAction{.instead = Instead::fault});
        CHECK(other.decide(bits) == ChaosAction{.instead = Instead::outcome});
        const ChaosAction action = slow.decide(bits);
        CHECK(action.instead == Instead::nothing);
        CHECK(action.latency >= 5ms);
        CHECK(action.latency < 15ms);
    }
}

TEST_CASE("chaos: the decision is a function of its bits, and the rates are met") {
    const ChaosOptions options{
        .fault_rate = 0.2, .outcome_rate = 0.1, .latency_rate = 0.4, .latency = 1ms};
    Chaos chaos{options, outcome};
    testing::SeededRandom random;
    CAPTURE(random.seed());
    int faults = 0;
    int outcomes = 0;
    int delayed = 0;
    int both = 0;
    constexpr int n = 100'000;
    for (int i = 0; i < n; ++i) {
        const std::uint64_t bits = random();
        const ChaosAction action = chaos.decide(bits);
        CHECK(action == chaos.decide(bits));
        faults += action.instead == Instead::fault;
        outcomes += action.instead == Instead::outcome;
        delayed += action.latency.count() > 0;
        both += action.instead == Instead::fault && action.latency.count() > 0;
    }
    // Five standard deviations.
    const auto close = [&](int count, double rate) {
        return std::abs(count - n * rate) < 5 * std::sqrt(n * rate * (1 - rate));
    };
    CHECK(close(faults, 0.2));
    CHECK(close(outcomes, 0.1));
    CHECK(close(delayed, 0.4));
    CHECK(close(both, 0.08));
}

TEST_CASE("chaos: a seed repeats the run, reconfiguring begins it again") {
    const auto play = [](Chaos<>& chaos) {
        std::vector<bool> faults;
        for (int i = 0; i < 200; ++i) faults.push_back(bool(chaos.next()));
        return faults;
    };
    Chaos<> a{{.fault_rate = 0.5, .seed = 7}};
    Chaos<> b{{.fault_rate = 0.5, .seed = 7}};
    Chaos<> c{{.fault_rate = 0.5, .seed = 8}};
    const auto first = play(a);
    CHECK(first == play(b));
    CHECK(first != play(c));
    CHECK(first != play(a));
    a.reconfigure({.fault_rate = 0.5, .seed = 7});
    CHECK(first == play(a));
}

TEST_CASE("chaos: it is switched and changed live; what is refused changes nothing") {
    Chaos<> chaos{{.fault_rate = 1}};
    CHECK(chaos.enabled());
    CHECK(chaos.next().instead == Instead::fault);
    chaos.enable(false);
    CHECK(!chaos.next());
    chaos.enable(true);
    CHECK(chaos.next().instead == Instead::fault);
    CHECK_THROWS_AS(
        chaos.reconfigure({.fault_rate = 0, .latency_rate = 2}), std::invalid_argument
    );
    CHECK(chaos.next().instead == Instead::fault);
    chaos.reconfigure({.fault_rate = 0});
    CHECK(!chaos.next());
    CHECK(chaos.snapshot().faults == 3);
}

TEST_CASE("chaos: a fault takes the place of the call and names its code") {
    int calls = 0;
    const auto work = [&] {
        ++calls;
        return Reply{1};
    };
    Chaos chaos{{.fault_rate = 1, .fault = Errc::connection_lost}};
    const Reply reply = chaos.run(work);
    CHECK(reply.error() == Errc::connection_lost);
    CHECK(reply.error().detail == "injected by chaos");
    CHECK(calls == 0);
    chaos.enable(false);
    CHECK(chaos.run(work).value() == 1);
    CHECK(calls == 1);
}

TEST_CASE("chaos: where the result has no place for a failure, a fault is thrown") {
    Chaos chaos{{.fault_rate = 1, .fault = Errc::shed}};
    const auto code_of = [&](auto&& work) {
        try {
            chaos.run(work);
        } catch (const std::system_error& e) {
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(code_of([] { return 1; }) == Errc::shed);
    CHECK(code_of([] {}) == Errc::shed);
}

TEST_CASE("chaos: an outcome takes the place of the call") {
    Chaos chaos{{.outcome_rate = 1}, outcome};
    CHECK(chaos.run([] { return Reply{1}; }).value() == 99);
    CHECK(chaos.run([] { return 1; }) == 99);
    CHECK(chaos.snapshot().outcomes == 2);
}

TEST_CASE("chaos: a call waits first, and a stop ends it unmade") {
    int calls = 0;
    const auto work = [&] {
        ++calls;
        return Reply{1};
    };
    Chaos chaos{{.latency_rate = 1, .latency = 50ms}};
    FakeSleep sleep;
    CHECK(chaos.run(work, {}, sleep).value() == 1);
    CHECK(sleep.total == 50ms);
    std::stop_source stop;
    stop.request_stop();
    CHECK(chaos.run(work, stop.get_token(), sleep).error() == Errc::cancelled);
    CHECK(calls == 1);
    CHECK(chaos.snapshot().delayed == 2);

    // The real wait, which nothing but the stop ends within this test's patience.
    chaos.reconfigure({.latency_rate = 1, .latency = 24h});
    std::stop_source later;
    std::jthread stopper{[&] { later.request_stop(); }};
    CHECK(chaos.run(work, later.get_token()).error() == Errc::cancelled);
    chaos.reconfigure({.latency_rate = 1, .latency = 1ns});
    CHECK(chaos.run(work).value() == 1);
}

TEST_CASE("chaos: observers see what is injected, and nothing else") {
    int seen = 0;
    Chaos chaos{{.fault_rate = 1}, NoOutcome{}, Count{&seen}};
    chaos.next();
    CHECK(seen == 1);
    chaos.reconfigure({});
    chaos.next();
    CHECK(seen == 1);
}

TEST_CASE("chaos: threads share one, and each call of a seeded run is decided once") {
    Chaos<> chaos{{.fault_rate = 0.5, .seed = 3}};
    int expected = 0;
    for (int i = 0; i < 4000; ++i) expected += bool(chaos.next());
    chaos.reconfigure({.fault_rate = 0.5, .seed = 3});
    const auto before = chaos.snapshot().faults;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 1000; ++i) chaos.next();
            });
        }
    }
    CHECK(chaos.snapshot().faults - before == static_cast<std::uint64_t>(expected));
}

TEST_CASE("chaos: deciding allocates nothing") {
    Chaos<> chaos{{.fault_rate = 0.5, .latency_rate = 0.5, .seed = 1}};
    testing::AllocationCounter counter;
    for (int i = 0; i < 100; ++i) chaos.next();
    CHECK(counter.made() == 0);
}
