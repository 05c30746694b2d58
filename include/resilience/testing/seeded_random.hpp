// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_SEEDED_RANDOM_HPP
#define RESILIENCE_TESTING_SEEDED_RANDOM_HPP

#include <resilience/random.hpp>

#include <cstdint>
#include <cstdlib>

namespace resilience::testing {

/** The seed of this run of the tests: the number in the environment variable
    `RESILIENCE_TEST_SEED`, else `otherwise`.

    A test of random programs tells its seed when it fails, and is repeated with it.
*/
inline std::uint64_t seed(std::uint64_t otherwise = 1) {
    const char* text = std::getenv("RESILIENCE_TEST_SEED");
    return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// A @ref Random that knows the seed it was made with, for the test to tell.
class SeededRandom : public Random {
public:
    explicit SeededRandom(std::uint64_t start = testing::seed()) noexcept
        : Random(start), seed_(start) {}

    std::uint64_t seed() const noexcept { return seed_; }

    /// Uniform in [0, n), for small `n`; `n` must be positive.
    std::uint64_t below(std::uint64_t n) noexcept { return (*this)() % n; }

private:
    std::uint64_t seed_;
};

}  // namespace resilience::testing

#endif
