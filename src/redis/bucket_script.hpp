// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_BUCKET_SCRIPT_HPP
#define RESILIENCE_SRC_REDIS_BUCKET_SCRIPT_HPP

#include "wire.hpp"

#include <resilience/redis/token_bucket_store.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::redis::detail {

/** A limit in whole numbers: in each unit of time a bucket earns `rate` credits, a token
    costs `price` of them, and the full bucket holds `full`.

    All stay below 2^52, so the server's arithmetic on doubles is exact.
*/
struct BucketTerms {
    std::uint64_t rate;
    std::uint64_t price;
    std::uint64_t full;
    std::chrono::microseconds unit;
};

/// The terms in the finest unit of 1 us, 1 ms and 1 s in which they are exact.
/// @throws std::invalid_argument Names the option that is out of range.
BucketTerms make_terms(const TokenBucketStoreOptions& options);

/// What a call of the script does; the values are the script's own.
enum class BucketMode : char { check = '0', each = '1', all = '2' };

/// The text of the script, and its name for EVALSHA.
std::string_view bucket_script();
const std::string& bucket_script_sha();

/** Forms calls of the script and reads their answers.

    State of a key: three little-endian doubles, the time of the last update in us, the
    credits at that time, and the price at which they were counted (a key written under
    another limit keeps its whole tokens). There are no fields for leases.
*/
class BucketCodec {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit BucketCodec(TokenBucketStoreOptions options);

    const TokenBucketStoreOptions& options() const noexcept { return options_; }
    const BucketTerms& terms() const noexcept { return terms_; }

    /// @param verb EVALSHA, or EVAL to bring the text along.
    /// @param now_us The time to decide by; the server's own when absent. Tests pass it.
    Wire encode(
        std::string_view verb,
        BucketMode mode,
        std::span<const BucketRequest> requests,
        std::optional<std::int64_t> now_us = std::nullopt
    ) const;

    /// One decision for each request; `protocol_error` if the reply is not of this
    /// script, and `corrupt_data` naming the key that holds no bucket.
    Result<std::vector<BucketDecision>> decode(
        Reply reply, std::span<const BucketRequest> requests
    ) const;

private:
    TokenBucketStoreOptions options_;
    BucketTerms terms_;
    // The arguments that never change: rate, price, full, unit, shortest life.
    std::array<std::string, 5> constants_;
};

/// The failure that an error reply to the script stands for.
Failure script_failure(const std::string& words);

}  // namespace resilience::redis::detail

#endif
