// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_SETTINGS_HPP
#define RESILIENCE_MODULES_BUCKET_SETTINGS_HPP

#include <chrono>
#include <cstdint>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::modules::bucket {

/// Most tokens that one request may ask for, and the largest capacity.
inline constexpr std::int64_t most_tokens = std::int64_t{1} << 31;

/// Settings of the bucket that each key has.
struct BucketSettings {
    /// Tokens in a full bucket. 1 to 2^31; default 10.
    std::int64_t capacity = 10;
    /// Tokens per second; six decimals at most, three from 1 on. 0.000001 to 10^9;
    /// default 1.
    double refill_rate = 1.0;
    /// `token_bucket`, the only one so far (X3).
    std::string algorithm = "token_bucket";
};

/// Declares `BUCKET_CAPACITY`, `BUCKET_REFILL_RATE` and `BUCKET_ALGORITHM`.
void declare(host::Config& config, BucketSettings& settings);

/// The same limit in whole numbers: `tokens` arrive, evenly, in each `period`.
struct BucketLimit {
    std::uint32_t capacity = 10;
    std::uint32_t tokens = 1;
    std::chrono::seconds period{1};
};

/** Turns the rate into an exact fraction, so that 0.1 is one token in ten seconds.

    @throws std::invalid_argument Names the setting that is out of range, or the rate when
        it has more digits than can be kept.
*/
BucketLimit limit_of(const BucketSettings& settings);

}  // namespace resilience::modules::bucket

#endif
