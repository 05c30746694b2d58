// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_REDIS_BUCKET_STORE_HPP
#define RESILIENCE_MODULES_BUCKET_REDIS_BUCKET_STORE_HPP

#include <modules/bucket/bucket_store.hpp>

#include <resilience/redis/connection.hpp>
#include <resilience/redis/token_bucket_store.hpp>

#include <string>

namespace resilience::modules::bucket {

/** Keeps the buckets in Redis, so that many servers share each limit (M11).

    Buckets of one limit and those of another do not meet: the limit is part of the names
    in Redis, and a server that is started with another limit begins with full buckets.

    @par Thread safety
    Safe.
*/
class RedisBucketStore final : public BucketStore {
public:
    /** @param prefix Stands before each name in Redis.
        @throws std::invalid_argument Names the option that is out of range.
    */
    RedisBucketStore(
        net::any_io_executor executor,
        redis::ConnectionOptions options,
        const BucketLimit& limit,
        const std::string& prefix = "bucket:"
    );

    net::awaitable<Result<Decision>> check(TokenRequest request) override;
    net::awaitable<Result<Decision>> consume(TokenRequest request) override;
    net::awaitable<Result<std::vector<Decision>>> consume_each(
        std::vector<TokenRequest> requests
    ) override;
    net::awaitable<Result<GroupDecision>> consume_all(std::vector<TokenRequest> requests
    ) override;
    net::awaitable<Result<void>> reset(std::string key) override;
    net::awaitable<Result<void>> ping() override;

private:
    redis::Connection connection_;
    redis::TokenBucketStore buckets_;
};

}  // namespace resilience::modules::bucket

#endif
