// SPDX-License-Identifier: MIT
#include <modules/bucket/settings.hpp>

#include <host/config.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace resilience::modules::bucket {
namespace {

// Decimals that are kept; more are refused. They would make fractions so odd, such as
// 16666667 tokens in 10^6 seconds, that no clock counts them exactly.
constexpr std::int64_t parts_below_one = 1'000'000;
constexpr std::int64_t parts_from_one = 1'000;
constexpr double least_rate = 1e-6;
constexpr double most_rate = 1e9;

}  // namespace

void declare(host::Config& config, BucketSettings& settings) {
    config.owns("BUCKET_");
    config.integer(
        "BUCKET_CAPACITY", settings.capacity, 1, most_tokens, "Tokens in a full bucket"
    );
    config.number(
        "BUCKET_REFILL_RATE",
        settings.refill_rate,
        least_rate,
        most_rate,
        "Tokens that arrive in a second; six decimals at most, three from 1 on"
    );
    config.choice(
        "BUCKET_ALGORITHM", settings.algorithm, {"token_bucket"}, "How tokens are counted"
    );
}

BucketLimit limit_of(const BucketSettings& settings) {
    if (settings.capacity < 1 || settings.capacity > most_tokens) {
        throw std::invalid_argument("BUCKET_CAPACITY: must be 1 to 2147483648");
    }
    const double rate = settings.refill_rate;
    if (!(rate >= least_rate && rate <= most_rate)) {
        throw std::invalid_argument("BUCKET_REFILL_RATE: must be 0.000001 to 1000000000");
    }
    const std::int64_t parts = rate < 1 ? parts_below_one : parts_from_one;
    const std::int64_t numerator = std::llround(rate * static_cast<double>(parts));
    // The division rounds as the reading of the text did, so it gives the same number
    // back if that had no further digits.
    if (static_cast<double>(numerator) / static_cast<double>(parts) != rate) {
        throw std::invalid_argument(
            "BUCKET_REFILL_RATE: has more decimals than are kept, six below 1 and three "
            "from 1 on"
        );
    }
    const std::int64_t divisor = std::gcd(numerator, parts);
    const std::int64_t tokens = numerator / divisor;
    if (tokens > std::numeric_limits<std::uint32_t>::max()) {
        throw std::invalid_argument(
            "BUCKET_REFILL_RATE: has too many decimals for so high a rate"
        );
    }
    return {
        static_cast<std::uint32_t>(settings.capacity),
        static_cast<std::uint32_t>(tokens),
        std::chrono::seconds{parts / divisor}};
}

}  // namespace resilience::modules::bucket
