// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_WINDOW_ORACLE_HPP
#define TESTS_UNIT_CORE_WINDOW_ORACLE_HPP

#include <cstdint>
#include <map>

#include "unit/core/bucket_oracle.hpp"

namespace resilience::testing {

/// The number of the window that an instant is in, by the clock's epoch and an offset.
inline std::int64_t window_of(
    std::int64_t now, std::int64_t window, std::int64_t offset
) {
    const std::int64_t since = now - offset;
    return since >= 0 ? since / window : -((-since + window - 1) / window);
}

/// A fixed window as one would write it: a map from the number of a window to its count.
struct FixedWindowOracle {
    std::int64_t limit, window, offset;
    std::map<std::int64_t, std::int64_t> counts{};
    std::int64_t last = INT64_MIN;  // window in which anything was taken

    bool fits(std::int64_t n, std::int64_t now) {
        const std::int64_t index = window_of(now, window, offset);
        return index >= last && counts[index] + n <= limit;
    }
    void take(std::int64_t n, std::int64_t now) {
        last = window_of(now, window, offset);
        counts[last] += n;
    }
    std::int64_t wait(std::int64_t n, std::int64_t now) {
        std::int64_t then = now;
        while (!fits(n, then)) {
            then = offset + (window_of(then, window, offset) + 1) * window;
        }
        return then - now;
    }
};

/// A sliding window of two counts, with weights in ticks and 128-bit integers, and with
/// the wait found by bisection.
struct SlidingWindowOracle {
    std::int64_t limit, window, tick = 1;
    std::map<std::int64_t, std::int64_t> counts{};
    std::int64_t last = INT64_MIN;

    bool fits(std::int64_t n, std::int64_t now) {
        const std::int64_t index = window_of(now, window, 0);
        if (index < last) return false;
        const std::int64_t ticks = (window + tick - 1) / tick;
        const std::int64_t weight = ticks - (now - index * window) / tick;
        const BigInteger before = BigInteger{counts[index - 1]} * weight;
        return before + BigInteger{counts[index] + n} * ticks <=
               BigInteger{limit} * ticks;
    }
    void take(std::int64_t n, std::int64_t now) {
        last = window_of(now, window, 0);
        counts[last] += n;
    }
    std::int64_t most(std::int64_t now) {
        std::int64_t n = 0, over = limit + 1;
        while (over - n > 1) {
            const std::int64_t half = n + (over - n) / 2;
            (fits(half, now) ? n : over) = half;
        }
        return n;
    }
    std::int64_t wait(std::int64_t n, std::int64_t now) {
        if (fits(n, now)) return 0;
        std::int64_t low = now;
        if (window_of(now, window, 0) < last) low = last * window - 1;
        std::int64_t high = low + 2 * window + 1;
        while (high - low > 1) {
            const std::int64_t half = low + (high - low) / 2;
            (fits(n, half) ? high : low) = half;
        }
        return high - now;
    }
};

}  // namespace resilience::testing

#endif
