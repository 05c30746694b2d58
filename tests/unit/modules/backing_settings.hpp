// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_MODULES_BACKING_SETTINGS_HPP
#define RESILIENCE_TESTS_UNIT_MODULES_BACKING_SETTINGS_HPP

#include <host/config.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/backing/redis.hpp>

namespace resilience::modules::tests {

/// The settings of a program with every backing part.
struct BackingSettings {
    BackingSettings() {
        declare(config, database);
        declare(config, redis);
        declare(config, kafka);
    }

    host::Config config{"test", "Tests."};
    backing::DatabaseSettings database;
    backing::RedisSettings redis;
    backing::KafkaSettings kafka;
};

}  // namespace resilience::modules::tests

#endif
