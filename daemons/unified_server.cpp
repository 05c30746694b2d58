// SPDX-License-Identifier: MIT
// One HTTP entry for users and buckets (documents M1, M23).
#include <host/app.hpp>
#include <host/program.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/events.hpp>
#include <modules/backing/redis.hpp>
#include <modules/backing/start_log.hpp>
#include <modules/bucket/routes.hpp>
#include <modules/crash/routes.hpp>
#include <modules/users/routes.hpp>

using namespace resilience;
using namespace resilience::modules;

int main(int argc, char** argv) {
    host::Config config{"unified-server", "Serves users and token buckets over HTTP."};
    host::AppOptions options{.name = "unified-server"};
    backing::DatabaseSettings database_settings;
    backing::RedisSettings redis;
    backing::EventSettings events;
    bucket::BucketSettings bucket_settings;
    crash::TestEndpoints test_endpoints;
    declare(config, options);
    declare(config, database_settings);
    declare(config, redis);
    declare(config, events);
    declare(config, bucket_settings);
    declare(config, test_endpoints);
    if (const auto code = config.read(argc, argv)) return *code;
    return host::run_program("unified-server", [&] {
        host::App app{options};
        backing::Database database{app.executor(), database_settings};
        const auto users = users::mount(app, database, backing::make_outbox(events));
        const auto buckets = bucket::mount(app, bucket_settings, redis);
        crash::add_routes(app.router(), test_endpoints, *users);
        log_parts(app.log(), database, database_settings, redis);
        return app.run();
    });
}
