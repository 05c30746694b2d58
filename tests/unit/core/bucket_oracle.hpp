// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_BUCKET_ORACLE_HPP
#define TESTS_UNIT_CORE_BUCKET_ORACLE_HPP

#include <resilience/token_bucket.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <random>
#include <stdexcept>

namespace resilience::testing {

__extension__ typedef __int128 BigInteger;

/// A token bucket as one would write it with unlimited integers: a tick earns `tokens *
/// tick` units and a token costs `period` units, unreduced, with time counted from the
/// clock's epoch. It shares nothing with the library but the length of the tick.
class BucketOracle {
public:
    BucketOracle(const TokenBucketOptions& o, std::chrono::nanoseconds tick)
        : tick_{tick.count()},
          earned_{BigInteger{o.tokens} * tick.count()},
          token_{o.period.count()},
          capacity_{o.burst * token_},
          debt_{o.max_debt * token_},
          zero_{-(BigInteger{1} << 120)} {}

    /// The level, in units; negative in debt.
    BigInteger level(std::int64_t now) const {
        return std::min(capacity_, units(now) - zero_);
    }
    bool fits(std::uint32_t n, std::int64_t now) const {
        return level(now) >= n * token_;
    }
    std::uint32_t whole(std::int64_t now) const {
        return level(now) < 0 ? 0 : static_cast<std::uint32_t>(level(now) / token_);
    }
    void take(std::uint32_t n, std::int64_t now) {
        zero_ = units(now) - level(now) + n * token_;
    }
    /// Takes `n` tokens that go at `start`, when the bucket cannot hold more than its
    /// burst.
    void promise(std::uint32_t n, std::int64_t now, std::int64_t start) {
        take(n, now);
        zero_ = std::max(zero_, units(start) - (capacity_ - n * token_));
    }

    /// The least wait after which the level reaches `target`, found from the definition.
    BigInteger wait_for_level(BigInteger target, std::int64_t now) const {
        if (level(now) >= target) return 0;
        const BigInteger ticks = (target - level(now) + earned_ - 1) / earned_;
        return (floor_tick(now) + ticks) * tick_ - now;
    }
    BigInteger wait(std::uint32_t n, std::int64_t now) const {
        return wait_for_level(n * token_, now);
    }
    BigInteger wait_until_owed(std::uint32_t n, std::int64_t now) const {
        return wait_for_level(n * token_ - debt_, now);
    }
    BigInteger wait_until_full(std::int64_t now) const {
        return wait_for_level(capacity_, now);
    }

private:
    BigInteger floor_tick(std::int64_t now) const {
        return now >= 0 ? now / tick_ : -((-now + tick_ - 1) / tick_);
    }
    BigInteger units(std::int64_t now) const { return floor_tick(now) * earned_; }

    std::int64_t tick_;
    BigInteger earned_, token_, capacity_, debt_, zero_;
};

inline TimePoint at(std::int64_t nanoseconds) {
    return TimePoint{std::chrono::nanoseconds{nanoseconds}};
}

/// Random numbers that repeat from run to run; print the seed with INFO(random.seed).
struct Random {
    explicit Random(std::uint64_t s) : seed{s}, engine{s} {}

    /// Uniform in [low, high].
    std::int64_t in(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>{low, high}(engine);
    }
    /// Uniform in its number of digits, so that small and huge values are as likely.
    std::int64_t of_any_size(std::int64_t high) {
        const double digits = std::log2(static_cast<double>(high));
        const double exponent = std::uniform_real_distribution<double>{0, digits}(engine);
        return std::clamp<std::int64_t>(std::int64_t(std::exp2(exponent)), 1, high);
    }
    bool one_in(int n) { return in(1, n) == 1; }

    std::uint64_t seed;
    std::mt19937_64 engine;
};

/// A policy of any size: one token a day to 1e9 a second, prime rates, bursts up to 2^31.
inline TokenBucketOptions any_options(Random& random) {
    using std::chrono::nanoseconds;
    static constexpr std::int64_t kPeriods[] = {
        1, 1'000, 999'983, 1'000'000, 1'000'000'000, 60'000'000'000, 86'400'000'000'000};
    for (;;) {
        const std::int64_t period = random.one_in(3)
                                        ? random.of_any_size(86'400'000'000'000)
                                        : kPeriods[random.in(0, std::size(kPeriods) - 1)];
        const auto most =
            std::min<std::int64_t>(1'000'000'000, std::max<std::int64_t>(period, 1));
        TokenBucketOptions o{
            .tokens = static_cast<std::uint32_t>(random.of_any_size(most)),
            .period = nanoseconds{period},
            .burst = static_cast<std::uint32_t>(
                random.one_in(4) ? 1 : random.of_any_size(std::int64_t{1} << 31)
            ),
            .max_debt = static_cast<std::uint32_t>(
                random.one_in(2) ? 0 : random.of_any_size(std::int64_t{1} << 20)
            )};
        try {
            TokenBucket{o};
            return o;
        } catch (const std::invalid_argument&) {
            // Odd periods do not go with every burst.
        }
    }
}

/// Time in which about `tokens` tokens arrive.
inline std::int64_t time_of(double tokens, const TokenBucketOptions& o) {
    const double ns = tokens * double(o.period.count()) / o.tokens;
    return std::int64_t(std::clamp(ns, 0.0, 2e15));
}

}  // namespace resilience::testing

#endif
