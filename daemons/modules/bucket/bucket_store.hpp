// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_BUCKET_STORE_HPP
#define RESILIENCE_MODULES_BUCKET_BUCKET_STORE_HPP

#include <modules/bucket/settings.hpp>

#include <resilience/admission.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/keyed_limiter.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::backing {
struct RedisSettings;
}

namespace resilience::modules::bucket {

/// Tokens wanted from the bucket of one key.
struct TokenRequest {
    /// 1 to 256 bytes.
    std::string key;
    /// 1 to @ref most_tokens.
    std::uint32_t tokens = 1;
};

/// What was decided for one key.
struct Decision {
    Admission admission;
    /// Whole tokens that are left after it.
    std::uint64_t remaining = 0;
    /// Time until the bucket is full if nobody takes from it.
    std::chrono::nanoseconds time_to_full{0};
};

/// What was decided for keys that are taken from together or not at all.
struct GroupDecision {
    /// Refused as long as one of the keys lacks tokens.
    Admission admission;
    /// Position of the request that has to wait longest; zero when admitted.
    std::size_t binding = 0;
    /// One for each request, in their order; each carries the group's admission.
    std::vector<Decision> decisions;
};

/** A token bucket for each key.

    @par Errors
    Those of the server behind it; tokens may be gone then, and nobody was admitted.

    @par Thread safety
    Safe.
*/
class BucketStore {
public:
    virtual ~BucketStore() = default;

    /// Tells what @ref consume would answer. Takes nothing.
    virtual net::awaitable<Result<Decision>> check(TokenRequest request) = 0;

    /// Takes the tokens, or none.
    virtual net::awaitable<Result<Decision>> consume(TokenRequest request) = 0;

    /// Decides each request by itself, in their order; a key may occur more than once.
    virtual net::awaitable<Result<std::vector<Decision>>> consume_each(
        std::vector<TokenRequest> requests
    ) = 0;

    /// Takes from all the keys, or from none; requests for one key add up.
    virtual net::awaitable<Result<GroupDecision>> consume_all(
        std::vector<TokenRequest> requests
    ) = 0;

    /// Fills the bucket of a key.
    virtual net::awaitable<Result<void>> reset(std::string key) = 0;

    /// Answers when the store can decide; for health checks.
    virtual net::awaitable<Result<void>> ping() = 0;

    /// How full the table of the keys is; empty when it has no bounds of its own.
    virtual std::optional<KeyedLimiterStats> occupancy() const { return std::nullopt; }
};

/** Makes the store that the settings ask for: in Redis, or in the process.

    Does not connect yet.

    @throws std::invalid_argument Names the setting that is at fault.
*/
std::unique_ptr<BucketStore> make_bucket_store(
    net::any_io_executor executor,
    const BucketLimit& limit,
    const backing::RedisSettings& redis
);

}  // namespace resilience::modules::bucket

#endif
