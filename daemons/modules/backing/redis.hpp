// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_REDIS_HPP
#define RESILIENCE_MODULES_BACKING_REDIS_HPP

#include <chrono>
#include <cstdint>
#include <string>

namespace resilience::host {
class Config;
}

namespace resilience::redis {
struct ConnectionOptions;
}

namespace resilience::modules::backing {

/// Where Redis is (M14). Used as soon as `REDIS_ADDR` is set or `--redis` is given.
struct RedisSettings {
    bool use_redis = false;
    std::string address = "localhost:6379";
    std::string password;
    std::int64_t database = 0;
    /// Longest wait for one answer, connecting included.
    std::chrono::milliseconds timeout{1000};
};

/// Declares `REDIS_*` and `--redis`.
void declare(host::Config& config, RedisSettings& settings);

/// @throws std::invalid_argument `REDIS_ADDR` is malformed.
redis::ConnectionOptions connection_options(const RedisSettings& settings);

}  // namespace resilience::modules::backing

#endif
