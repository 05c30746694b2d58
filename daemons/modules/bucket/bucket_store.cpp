// SPDX-License-Identifier: MIT
#include <modules/bucket/bucket_store.hpp>

#include <modules/backing/redis.hpp>
#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/redis_bucket_store.hpp>

#include <resilience/redis/connection_options.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::modules::bucket {
namespace {

// Says in the words of the settings what a store says in its own.
template <class Make>
std::unique_ptr<BucketStore> named(Make make) {
    try {
        return make();
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(
            "BUCKET_CAPACITY and BUCKET_REFILL_RATE do not go together: " +
            std::string{error.what()}
        );
    }
}

}  // namespace

std::unique_ptr<BucketStore> make_bucket_store(
    net::any_io_executor executor,
    const BucketLimit& limit,
    const backing::RedisSettings& redis
) {
    if (!redis.use_redis) {
        return named([&] { return std::make_unique<MemoryBucketStore>(limit); });
    }
    const auto options = backing::connection_options(redis);
    return named([&] {
        return std::make_unique<RedisBucketStore>(std::move(executor), options, limit);
    });
}

}  // namespace resilience::modules::bucket
