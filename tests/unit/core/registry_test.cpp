// SPDX-License-Identifier: MIT
#include <resilience/registry.hpp>

#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fallback.hpp>
#include <resilience/hedge.hpp>
#include <resilience/keyed_limiter.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_policy.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace users {

/// A policy that is not the library's own.
struct Gate {
    struct Snapshot {
        static constexpr const char* kind = "gate";
        int height = 0;
    };

    Snapshot snapshot() const {
        if (height < 0) throw std::runtime_error{"no such height"};
        return {height};
    }

    int options() const { return height; }
    void reconfigure(int h) { height = h; }

    int height = 3;
};

template <class Visit>
void visit_readings(const Gate::Snapshot& s, Visit&& visit) {
    visit("height", s.height);
    visit("steps_total", s.height * 2u);
}

/// Uses its registry where a lock would be held if any were.
struct Talker {
    struct Snapshot {
        static constexpr const char* kind = "talker";
        std::size_t names = 0;
    };

    explicit Talker(resilience::Registry& r) : registry(r) {}
    ~Talker() { registry.remove("friend"); }
    Snapshot snapshot() const { return {registry.names().size()}; }
    int options() const { return 0; }
    void reconfigure(int) { registry.remove("friend"); }

    resilience::Registry& registry;
};

template <class Visit>
void visit_readings(const Talker::Snapshot& s, Visit&& visit) {
    s.names > 0 ? visit("names", s.names) : visit("names", 0);
}

}  // namespace users

namespace resilience {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr TimePoint t0{1h};

const PolicySnapshot& only(const std::vector<PolicySnapshot>& all) {
    REQUIRE(all.size() == 1);
    return all.front();
}

double reading(const PolicySnapshot& policy, std::string_view name) {
    for (const Reading& r : policy.readings) {
        if (r.name == name) return r.value;
    }
    FAIL("no such reading: ", name);
    return 0;
}

TEST_CASE("A policy is found by its name and its very type") {
    Registry registry;
    auto breaker = std::make_shared<CircuitBreaker<>>();
    REQUIRE(!registry.add("mail", breaker));
    CHECK(registry.find<CircuitBreaker<>>("mail") == breaker);
    CHECK(registry.find<Bulkhead<>>("mail") == nullptr);
    CHECK(registry.find<CircuitBreaker<>>("post") == nullptr);
    CHECK(registry.find<CircuitBreaker<>>("") == nullptr);
}

TEST_CASE("A name belongs to one policy, whatever their types") {
    Registry registry;
    auto first = std::make_shared<Bulkhead<>>();
    REQUIRE(!registry.add("mail", first));
    CHECK(registry.add("mail", std::make_shared<Bulkhead<>>()) == Errc::already_exists);
    CHECK(registry.add("mail", std::make_shared<users::Gate>()) == Errc::already_exists);
    CHECK(registry.find<Bulkhead<>>("mail") == first);
}

TEST_CASE("What is no name, and what is no policy, is refused") {
    Registry registry;
    const auto gate = std::make_shared<users::Gate>();
    CHECK(registry.add("", gate) == Errc::invalid_request);
    CHECK(registry.add("\xff", gate) == Errc::invalid_request);
    CHECK(registry.add(std::string(129, 'x'), gate) == Errc::invalid_request);
    CHECK(registry.add("gate", std::shared_ptr<users::Gate>{}) == Errc::invalid_request);
    CHECK(registry.names().empty());
    CHECK(!registry.add(std::string(128, 'x'), gate));
}

TEST_CASE("A registry holds no more than its options say, and has room after a removal") {
    Registry registry{{.max_policies = 2}};
    const auto gate = std::make_shared<users::Gate>();
    REQUIRE(!registry.add("a", gate));
    REQUIRE(!registry.add("b", gate));
    CHECK(registry.add("c", gate) == Errc::storage_full);
    CHECK(registry.add("a", gate) == Errc::already_exists);
    REQUIRE(registry.remove("a"));
    CHECK(!registry.add("c", gate));
    CHECK(registry.names() == Names{"b", "c"});
}

TEST_CASE("Options out of range are refused by name") {
    for (const std::size_t bad :
         {std::size_t{0},
          (std::size_t{1} << 20) + 1,
          std::numeric_limits<std::size_t>::max()}) {
        CHECK_THROWS_WITH_AS(
            Registry{{.max_policies = bad}},
            "RegistryOptions::max_policies must be 1 to 1048576",
            std::invalid_argument
        );
    }
    CHECK(Registry{{.max_policies = 1 << 20}}.options().max_policies == 1 << 20);
}

TEST_CASE("Names are told in order") {
    Registry registry;
    CHECK(registry.names().empty());
    for (const char* name : {"b", "a", "c"}) {
        REQUIRE(!registry.add(name, std::make_shared<users::Gate>()));
    }
    CHECK(registry.names() == Names{"a", "b", "c"});
}

TEST_CASE("A removed policy lives on with whoever holds it, and else is destroyed") {
    Registry registry;
    auto gate = std::make_shared<users::Gate>();
    const std::weak_ptr<users::Gate> watch = gate;
    REQUIRE(!registry.add("gate", gate));
    REQUIRE(!registry.add("other", std::move(gate)));
    CHECK(registry.remove("gate"));
    CHECK_FALSE(registry.remove("gate"));
    auto held = registry.find<users::Gate>("other");
    CHECK(registry.remove("other"));
    CHECK(held->height == 3);
    held.reset();
    CHECK(watch.expired());
}

TEST_CASE("A policy is reconfigured in place while permits are out") {
    Registry registry;
    auto bulkhead = std::make_shared<Bulkhead<>>(BulkheadOptions{.limit = 1});
    REQUIRE(!registry.add("db", bulkhead));
    const auto slot = bulkhead->try_acquire();
    REQUIRE(slot);
    CHECK_FALSE(bulkhead->try_acquire());
    CHECK(registry.reconfigure<Bulkhead<>>("db", {.limit = 2}));
    CHECK(bulkhead->try_acquire());
    CHECK(bulkhead->options().limit == 2);
}

TEST_CASE("A reconfiguration that is refused changes nothing") {
    Registry registry;
    auto breaker = std::make_shared<CircuitBreaker<>>();
    REQUIRE(!registry.add("mail", breaker));
    CHECK_THROWS_AS(
        registry.reconfigure<CircuitBreaker<>>("mail", {.open_for = 0ns}),
        std::invalid_argument
    );
    CHECK(breaker->options().open_for == CircuitBreakerOptions{}.open_for);
}

TEST_CASE("A reconfiguration reaches no policy of another name or type") {
    Registry registry;
    auto gate = std::make_shared<users::Gate>();
    REQUIRE(!registry.add("gate", gate));
    CHECK_FALSE(registry.reconfigure<Bulkhead<>>("gate", {}));
    CHECK_FALSE(registry.reconfigure<users::Gate>("door", 9));
    CHECK(gate->height == 3);
    CHECK(registry.reconfigure<users::Gate>("gate", 9));
    CHECK(gate->height == 9);
}

TEST_CASE("Every policy is read in one call, in the order of the names") {
    Registry registry;
    auto breaker = std::make_shared<CircuitBreaker<>>();
    auto bulkhead = std::make_shared<Bulkhead<>>(BulkheadOptions{.limit = 4});
    REQUIRE(!registry.add("z", breaker));
    REQUIRE(!registry.add("a", bulkhead));
    breaker->force_open();
    const auto slot = bulkhead->try_acquire();

    const auto all = registry.snapshot(t0);
    REQUIRE(all.size() == 2);
    CHECK(all[0].name == "a");
    CHECK(all[0].kind == "bulkhead");
    CHECK(reading(all[0], "limit") == 4);
    CHECK(reading(all[0], "in_use") == 1);
    CHECK(all[1].name == "z");
    CHECK(all[1].kind == "circuit_breaker");
    CHECK(reading(all[1], "state") == static_cast<int>(CircuitState::forced_open));
    CHECK(reading(all[1], "generation") == 1);
    CHECK_FALSE(all[1].failed);
}

TEST_CASE("A snapshot is of the instant that the caller names") {
    Registry registry;
    auto breaker = std::make_shared<CircuitBreaker<>>(CircuitBreakerOptions::mailflow());
    REQUIRE(!registry.add("mail", breaker));
    for (int i = 0; i < 5; ++i) breaker->try_acquire(t0).done(Verdict::transient, t0);
    CHECK(reading(only(registry.snapshot(t0 + 10s)), "open_for_seconds") == 20.0);
    CHECK(reading(only(registry.snapshot(t0 + 30s)), "open_for_seconds") == 0.0);
}

TEST_CASE("Limiters, budgets and throttles have readings") {
    Registry registry;
    auto bucket = std::make_shared<TokenBucket>(TokenBucketOptions{.burst = 7});
    REQUIRE(!registry.add("1", bucket));
    REQUIRE(!registry.add("2", std::make_shared<KeyedLimiter>()));
    REQUIRE(!registry.add("3", std::make_shared<RetryBudget>()));
    REQUIRE(!registry.add("4", std::make_shared<Throttle<>>()));
    const auto all = registry.snapshot();
    CHECK(all[0].kind == "rate_limiter");
    CHECK(reading(all[0], "available") == 7);
    CHECK(all[1].kind == "keyed_limiter");
    CHECK(reading(all[1], "overflows_total") == 0);
    CHECK(all[2].kind == "retry_budget");
    CHECK(reading(all[2], "available") >= 70);
    CHECK(all[3].kind == "throttle");
    CHECK(reading(all[3], "rejection") == 0);
}

TEST_CASE("Pools, timeouts, hedges, adaptive limits and chaos have readings") {
    Registry registry;
    RetryBudget budget;
    REQUIRE(!registry.add(
        "1", std::make_shared<WorkerPool<>>(WorkerPoolOptions{.threads = 1})
    ));
    REQUIRE(!registry.add("2", std::make_shared<Timeout<>>()));
    REQUIRE(!registry.add(
        "3", std::make_shared<Hedge<>>(HedgeOptions{.idempotent = true}, budget)
    ));
    REQUIRE(!registry.add("4", std::make_shared<AdaptiveLimit<>>()));
    REQUIRE(!registry.add("5", std::make_shared<Chaos<>>()));
    const auto all = registry.snapshot();
    CHECK(all[0].kind == "worker_pool");
    CHECK(reading(all[0], "queue_size") == 0);
    CHECK(all[1].kind == "timeout");
    CHECK(reading(all[1], "timed_out_total") == 0);
    CHECK(all[2].kind == "hedge");
    CHECK(reading(all[2], "delay_seconds") == 0.1);
    CHECK(all[3].kind == "adaptive_limit");
    CHECK(reading(all[3], "limit") == AdaptiveLimitOptions{}.initial);
    CHECK(all[4].kind == "chaos");
    CHECK(reading(all[4], "faults_total") == 0);
    CHECK(std::string_view{FallbackSnapshot::kind} == "fallback");
}

TEST_CASE("A policy without readings has a name and no more") {
    Registry registry;
    REQUIRE(!registry.add("retry", std::make_shared<RetryPolicy>()));
    const auto all = registry.snapshot();
    CHECK(only(all).name == "retry");
    CHECK(only(all).kind == "policy");
    CHECK(only(all).readings.empty());
    CHECK_FALSE(only(all).failed);
}

TEST_CASE("A policy of the user's has the readings that it tells") {
    Registry registry;
    REQUIRE(!registry.add("gate", std::make_shared<users::Gate>()));
    const auto all = registry.snapshot();
    CHECK(only(all).kind == "gate");
    CHECK(reading(only(all), "height") == 3);
    CHECK(reading(only(all), "steps_total") == 6);
}

TEST_CASE("A snapshot that throws spoils no other") {
    Registry registry;
    auto broken = std::make_shared<users::Gate>();
    REQUIRE(!registry.add("a", broken));
    REQUIRE(!registry.add("b", std::make_shared<users::Gate>()));
    broken->height = -1;
    const auto all = registry.snapshot();
    REQUIRE(all.size() == 2);
    CHECK(all[0].failed);
    CHECK(all[0].kind == "gate");
    CHECK(all[0].readings.empty());
    CHECK_FALSE(all[1].failed);
    CHECK(all[1].readings.size() == 2);
}

TEST_CASE("No function of a policy is called while a lock is held") {
    Registry registry;
    const auto talker = [&] { return std::make_shared<users::Talker>(registry); };
    REQUIRE(!registry.add("friend", std::make_shared<users::Gate>()));
    REQUIRE(!registry.add("talker", talker()));

    CHECK(reading(registry.snapshot().back(), "names") == 2);

    // Whose destructor removes another, after being refused, and after being removed.
    CHECK(registry.add("talker", talker()) == Errc::already_exists);
    CHECK(registry.names() == Names{"talker"});
    REQUIRE(!registry.add("friend", std::make_shared<users::Gate>()));
    CHECK(registry.remove("talker"));
    CHECK(registry.names().empty());

    REQUIRE(!registry.add("friend", std::make_shared<users::Gate>()));
    REQUIRE(!registry.add("talker", talker()));
    CHECK(registry.reconfigure<users::Talker>("talker", 1));
    CHECK(registry.names() == Names{"talker"});
}

TEST_CASE("Threads add, find, change, read and remove at once") {
    Registry registry{{.max_policies = 8}};
    auto shared = std::make_shared<Bulkhead<>>();
    REQUIRE(!registry.add("shared", shared));
    std::atomic<int> added{0};
    std::atomic<int> removed{0};
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            for (int i = 0; i < 500; ++i) {
                const std::string name = std::to_string((id + i) % 10);
                if (!registry.add(name, std::make_shared<CircuitBreaker<>>())) ++added;
                if (auto found = registry.find<CircuitBreaker<>>(name)) {
                    found->try_acquire().done(Verdict::success);
                }
                const auto limit = static_cast<std::uint32_t>(i + 1);
                registry.reconfigure<Bulkhead<>>("shared", {.limit = limit});
                CHECK(registry.snapshot().size() <= 8);
                if (registry.remove(std::to_string(i % 10))) ++removed;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    const auto left = static_cast<int>(registry.names().size()) - 1;
    CHECK(added - removed == left);
    CHECK(registry.find<Bulkhead<>>("shared") == shared);
}

}  // namespace
}  // namespace resilience
