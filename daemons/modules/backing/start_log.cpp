// SPDX-License-Identifier: MIT
#include <modules/backing/start_log.hpp>

#include <host/log.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/redis.hpp>

#include <filesystem>

namespace resilience::modules::backing {

void log_parts(
    host::Log& log,
    const Database& database,
    const DatabaseSettings& settings,
    const RedisSettings& redis
) {
    const bool shared = redis.use_redis;
    const auto folder = std::filesystem::absolute(settings.data_dir).lexically_normal();
    log.info(
        "backing parts",
        {{"database", database.description()},
         {"database_embedded", !settings.use_postgres},
         {"buckets", shared ? "Redis at " + redis.address : "in this process"},
         {"buckets_embedded", !shared},
         {"data_dir", folder.string()}}
    );
}

}  // namespace resilience::modules::backing
