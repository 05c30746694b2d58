// SPDX-License-Identifier: MIT
// The range of each option of each policy: both ends of it are taken, and what is just
// beyond, or no number, is refused by the name of the option.
#include <resilience/adaptive_limit.hpp>
#include <resilience/bulkhead.hpp>
#include <resilience/chaos.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/fixed_window.hpp>
#include <resilience/hedge.hpp>
#include <resilience/keyed_limiter.hpp>
#include <resilience/leaky_bucket.hpp>
#include <resilience/registry.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_policy.hpp>
#include <resilience/sliding_window.hpp>
#include <resilience/striped_token_bucket.hpp>
#include <resilience/throttle.hpp>
#include <resilience/timeout.hpp>
#include <resilience/token_bucket.hpp>
#include <resilience/worker_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using namespace resilience;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr auto kForever = std::chrono::nanoseconds::max();
constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();

/// What a policy made of such options says, nothing if it takes them.
template <class Make, class Options>
std::string complaint(const Make& make, const Options& options) {
    try {
        make(options);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "";
}

/// The range of the options of one type, by which `make` makes a policy.
template <class Options, class Make>
class Range {
public:
    Range(std::string type, Options base, Make make)
        : type_(std::move(type)), base_(base), make_(make) {}

    /// Takes the first values of a field, and refuses the others.
    template <class T>
    const Range& field(
        const char* name,
        T Options::*member,
        std::initializer_list<std::type_identity_t<T>> good,
        std::initializer_list<std::type_identity_t<T>> bad
    ) const {
        CAPTURE(name);
        Options options = base_;
        for (const T& value : good) {
            options.*member = value;
            CHECK(complaint(make_, options) == "");
        }
        for (const T& value : bad) {
            CAPTURE(&value - bad.begin());
            options.*member = value;
            const std::string said = complaint(make_, options);
            const std::string named = type_ + "::" + name;
            CHECK(said.substr(0, named.size()) == named);
            CHECK((said + " ").find_first_of(" :", named.size()) == named.size());
        }
        return *this;
    }

private:
    std::string type_;
    Options base_;
    Make make_;
};

/// Of a policy that is made of nothing but its options.
template <class Policy, class Options>
auto range_of(const char* type, Options base) {
    const auto make = [](const Options& options) { const Policy policy{options}; };
    return Range<Options, decltype(make)>{type, base, make};
}

}  // namespace

TEST_CASE("each option of a token bucket and of a leaky bucket has its range") {
    using Token = TokenBucketOptions;
    range_of<TokenBucket>("TokenBucketOptions", Token{})
        .field("tokens", &Token::tokens, {1u, 1000u}, {0u})
        .field("period", &Token::period, {1s, 24h}, {0ns, -1ns})
        .field("burst", &Token::burst, {1u, 1'000'000u}, {0u});
    using Leaky = LeakyBucketOptions;
    range_of<LeakyBucket>("LeakyBucketOptions", Leaky{})
        .field("units", &Leaky::units, {1u, 1000u}, {0u})
        .field("period", &Leaky::period, {1s, 24h}, {0ns, -1ns})
        .field("capacity", &Leaky::capacity, {1u, 1'000'000u}, {0u});
    range_of<TokenBucket>("TokenBucketOptions", Token{.tokens = 1, .period = 24h * 365})
        .field("burst", &Token::burst, {1u}, {kMost});
    using Striped = StripedTokenBucketOptions;
    range_of<StripedTokenBucket>("StripedTokenBucketOptions", Striped{})
        .field("stripes", &Striped::stripes, {0u, 1u, 4096u}, {4097u, kMost})
        .field(
            "tokens_per_stripe",
            &Striped::tokens_per_stripe,
            {0u, 1u, 32768u},
            {32769u, kMost}
        )
        .field(
            "limit.max_debt",
            &Striped::limit,
            {TokenBucketOptions{}},
            {TokenBucketOptions{.max_debt = 1}}
        );
}

TEST_CASE("each option of a window of calls has its range") {
    using Fixed = FixedWindowOptions;
    range_of<FixedWindow>("FixedWindowOptions", Fixed{})
        .field("limit", &Fixed::limit, {1u, 1'000'000'000u}, {0u, 1'000'000'001u})
        .field("window", &Fixed::window, {1s, 24h * 365 * 18}, {0ns, -1ns, kForever})
        .field("offset", &Fixed::offset, {-kForever, 0ns, kForever}, {});
    using Sliding = SlidingWindowOptions;
    range_of<SlidingWindow>("SlidingWindowOptions", Sliding{})
        .field("limit", &Sliding::limit, {1u, 32767u}, {0u, 65536u, kMost})
        .field("window", &Sliding::window, {1s, 24h * 365 * 18}, {0ns, -1ns, kForever});
    using Keyed = KeyedLimiterOptions;
    range_of<KeyedLimiter>("KeyedLimiterOptions", Keyed{.keys = 10})
        .field("keys", &Keyed::keys, {1u}, {std::size_t{0}, (std::size_t{1} << 34) + 1})
        .field("memory", &Keyed::memory, {}, {nullptr})
        .field(
            "limit.max_debt",
            &Keyed::limit,
            {TokenBucketOptions{}},
            {TokenBucketOptions{.max_debt = 1}}
        );
    using Limit = TokenBucketOptions;
    range_of<KeyedLimiter>("TokenBucketOptions", Keyed{.keys = 10})
        .field("tokens", &Keyed::limit, {Limit{.tokens = 1}}, {Limit{.tokens = 0}})
        .field(
            "period",
            &Keyed::limit,
            {Limit{.period = 1h}},
            {Limit{.period = 0ns}, Limit{.period = -1ns}}
        )
        .field("burst", &Keyed::limit, {Limit{.burst = 1}}, {Limit{.burst = 0}});
}

TEST_CASE("each option of a circuit breaker has its range") {
    using O = CircuitBreakerOptions;
    const O base{
        .window = CountWindowOptions{.calls = 100},
        .failure_ratio = 0.5,
        .min_calls = 10,
        .probes = 3,
        .close_after = 2,
        .reopen_after = 1};
    range_of<CircuitBreaker<>>("CircuitBreakerOptions", base)
        .field("failure_ratio", &O::failure_ratio, {0.0, 1.0}, {-0.1, 1.1, kNaN})
        .field("slow_ratio", &O::slow_ratio, {0.0}, {-0.1, 1.1, kNaN, kInfinity})
        .field("slow_after", &O::slow_after, {0ns, kForever}, {-1ns})
        .field("count_slow_abandoned", &O::count_slow_abandoned, {false}, {true})
        .field("min_calls", &O::min_calls, {1u, 100u}, {0u, 101u, 8192u, kMost})
        .field("open_for", &O::open_for, {1ms, 24h * 366}, {0ns, 999us, 24h * 367})
        .field("probes", &O::probes, {2u, 255u}, {0u, 256u, kMost})
        .field("close_after", &O::close_after, {1u, 3u}, {0u, 4u, kMost})
        .field("reopen_after", &O::reopen_after, {0u, 2u}, {3u, kMost})
        .field("probe_lease", &O::probe_lease, {1ms, 1h}, {0ns, -1ns, 1h + 1ns})
        .field("slow_start", &O::slow_start, {0ns, 24h}, {-1ns, 24h + 1ns})
        .field("slow_start_share", &O::slow_start_share, {0.01, 1.0}, {0.0, 1.1, kNaN});
    range_of<CircuitBreaker<>>("CircuitBreakerOptions", O{})
        .field("min_calls", &O::min_calls, {8191u}, {8192u})
        .field(
            "consecutive_failures",
            &O::window,
            {WindowOptions{TimeWindowOptions{}}},
            {WindowOptions{ConsecutiveWindowOptions{}}}
        );
    using Count = CountWindowOptions;
    range_of<CountWindow>("CountWindowOptions", Count{})
        .field("calls", &Count::calls, {1u, 1023u}, {0u, 1024u, kMost});
    using Time = TimeWindowOptions;
    range_of<TimeWindow>("TimeWindowOptions", Time{})
        .field("length", &Time::length, {10ms, 24h}, {0ns, -1ns, 9ms, 24h + 1ns})
        .field("buckets", &Time::buckets, {1u, 64u}, {0u, 3u, 128u})
        .field("stripes", &Time::stripes, {1u, 64u}, {0u, 3u, 128u});
}

TEST_CASE("each option of a retry and of its budget has its range") {
    using O = RetryOptions;
    range_of<RetryPolicy>("RetryOptions", O{})
        .field("attempts", &O::attempts, {1u, 0x7fffffffu}, {0u, 0x80000000u, kMost})
        .field("base", &O::base, {1ns}, {0ns, -1ns})
        .field(
            "factor", &O::factor, {1.0, 1.01, 1000.0}, {0.0, -2.0, 1.001, 1001.0, kNaN}
        )
        .field("cap", &O::cap, {kForever}, {0ns, 1ns, -1ns})
        .field("jitter", &O::jitter, {Jitter{0}, Jitter{3}}, {Jitter{4}, Jitter{255}})
        .field("throttle_base", &O::throttle_base, {1ns, kForever}, {0ns, -1ns})
        .field("max_hint", &O::max_hint, {1ns, kForever}, {0ns, -1ns});
    using B = RetryBudgetOptions;
    range_of<RetryBudget>("RetryBudgetOptions", B{.cap = 100, .initial = 10})
        .field("ratio", &B::ratio, {0.0, 1.0}, {-0.1, 1.1, kNaN, kInfinity})
        .field("min_per_sec", &B::min_per_sec, {0.0, 1000.0}, {-0.1, 1001.0, kNaN})
        .field("cap", &B::cap, {100u, 1'000'000u}, {0u, 1'000'001u, kMost})
        .field("initial", &B::initial, {0u, 100u}, {101u, kMost})
        .field("transient_cost", &B::transient_cost, {1u, 100u}, {0u, 101u, kMost})
        .field("throttled_cost", &B::throttled_cost, {1u, 100u}, {0u, 101u, kMost})
        .field("success_refund", &B::success_refund, {0.0, 1.0}, {-0.1, 1.1, kNaN});
    range_of<RetryBudget>("RetryBudgetOptions", B{.cap = 2000})
        .field("transient_cost", &B::transient_cost, {1000u}, {1001u})
        .field("throttled_cost", &B::throttled_cost, {1000u}, {1001u});
}

TEST_CASE("each option of what bounds the calls in flight has its range") {
    using B = BulkheadOptions;
    range_of<Bulkhead<>>("BulkheadOptions", B{})
        .field("limit", &B::limit, {1u, 8'388'607u}, {0u, 8'388'608u, kMost})
        .field("queue", &B::queue, {0u, 16'777'215u}, {16'777'216u, kMost})
        .field("max_wait", &B::max_wait, {1ns, kForever}, {0ns, -1ns})
        .field("discipline", &B::discipline, {QueueDiscipline{1}}, {QueueDiscipline{2}})
        .field("target", &B::target, {1ns}, {0ns, -1ns})
        .field("interval", &B::interval, {kForever}, {0ns, 1ns, -1ns});
    using T = ThrottleOptions;
    range_of<Throttle<>>("ThrottleOptions", T{})
        .field("multiplier", &T::multiplier, {1.0, 1000.0}, {0.9, 1001.0, kNaN})
        .field("window", &T::window, {12ms, 24h}, {0ns, -1ns, 11ms, 24h + 1ns})
        .field("buckets", &T::buckets, {1u, 32u}, {0u, 33u, kMost})
        .field("max_rejection", &T::max_rejection, {0.0, 0.99}, {-0.1, 1.0, kNaN})
        .field("grace", &T::grace, {0u, 1'000'000u}, {1'000'001u, kMost});
    using W = WorkerPoolOptions;
    range_of<WorkerPool<>>("WorkerPoolOptions", W{.threads = 1})
        .field("threads", &W::threads, {1u}, {0u, 1025u})
        .field("capacity", &W::capacity, {1u}, {0u, (1u << 20) + 1})
        .field("overflow", &W::overflow, {Overflow{3}}, {Overflow{4}, Overflow{255}})
        .field("max_waiting", &W::max_waiting, {0u, 1u << 20}, {(1u << 20) + 1})
        .field("max_wait", &W::max_wait, {1ns, kForever}, {0ns, -1ns})
        .field("stop_grace", &W::stop_grace, {0ns}, {-1ns})
        .field("spin", &W::spin, {0ns, 10ms}, {-1ns, 10ms + 1ns});
}

TEST_CASE("each option of an adaptive limit has its range") {
    using O = AdaptiveLimitOptions;
    range_of<AdaptiveLimit<>>("AdaptiveLimitOptions", O{.initial = 20, .floor = 2})
        .field("algorithm", &O::algorithm, {LimitAlgorithm{1}}, {LimitAlgorithm{2}})
        .field("initial", &O::initial, {2u, 1000u}, {0u, 1u, 1001u, kMost})
        .field("floor", &O::floor, {1u, 20u}, {0u})
        .field("ceiling", &O::ceiling, {20u, 1u << 24}, {0u, 1u, (1u << 24) + 1, kMost})
        .field("probe", &O::probe, {1u, kMost}, {0u})
        .field("probe_every", &O::probe_every, {0ns, kForever}, {-1ns})
        .field("window", &O::window, {1ns, 1h}, {0ns, -1ns, 1h + 1ns})
        .field("min_samples", &O::min_samples, {1u, 10'000u}, {0u, 10'001u, kMost})
        .field("tolerance", &O::tolerance, {1.0, 100.0}, {0.9, 101.0, kNaN, kInfinity})
        .field("backoff", &O::backoff, {0.1, 0.9}, {0.0, 1.0, -1.0, kNaN})
        .field("drop_tolerance", &O::drop_tolerance, {0.0, 0.9}, {-0.1, 1.0, kNaN})
        .field("timeout", &O::timeout, {1ns, kForever}, {0ns, -1ns});
}

TEST_CASE("each option of what bounds, repeats or disturbs a call has its range") {
    using T = TimeoutOptions;
    range_of<Timeout<>>("TimeoutOptions", T{.limit = 1s})
        .field("limit", &T::limit, {1ns, kForever}, {0ns, -1ns})
        .field("detach_after", &T::detach_after, {0ns, kForever}, {-1ns});
    using H = HedgeOptions;
    RetryBudget budget;
    const auto hedge = [&](const H& options) { const Hedge<> made{options, budget}; };
    Range<H, decltype(hedge)>{"HedgeOptions", H{.idempotent = true}, hedge}
        .field("attempts", &H::attempts, {2u, 16u}, {0u, 1u, 17u, kMost})
        .field("delay", &H::delay, {0ns, 24h}, {-1ns, 24h + 1ns})
        .field("quantile", &H::quantile, {0.0, 0.5, 0.999}, {-1.0, 0.4, 1.0, kNaN})
        .field("min_delay", &H::min_delay, {0ns}, {-1ns})
        .field("max_delay", &H::max_delay, {1ms, 24h}, {0ns, -1ns, 24h + 1ns})
        .field("idempotent", &H::idempotent, {true}, {false});
    using C = ChaosOptions;
    range_of<Chaos<>>("ChaosOptions", C{})
        .field("fault_rate", &C::fault_rate, {0.0, 1.0}, {-0.1, 1.1, kNaN})
        .field("outcome_rate", &C::outcome_rate, {0.0}, {-0.1, 0.5, 1.1, kNaN})
        .field("fault", &C::fault, {Errc::unavailable}, {static_cast<Errc>(10'000)})
        .field("latency_rate", &C::latency_rate, {0.0, 1.0}, {-0.1, 1.1, kNaN})
        .field("latency", &C::latency, {0ns, 24h}, {-1ns, 24h + 1ns})
        .field("latency_spread", &C::latency_spread, {0ns, 24h}, {-1ns, 24h + 1ns});
    using R = RegistryOptions;
    range_of<Registry>("RegistryOptions", R{})
        .field("max_policies", &R::max_policies, {1u, 1u << 20}, {0u, (1u << 20) + 1});
}
