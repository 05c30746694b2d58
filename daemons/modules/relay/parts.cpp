// SPDX-License-Identifier: MIT
#include <modules/relay/parts.hpp>

#include <host/app.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/health.hpp>

#include <resilience/postgres/pool.hpp>

#include <stdexcept>
#include <string>

namespace resilience::modules::relay {

void add_database(host::App& app, backing::Database& database) {
    app.on_start("database", [&app, &database]() -> net::awaitable<void> {
        if (auto opened = co_await database.open(); !opened) {
            throw std::runtime_error("the database: " + opened.error().message());
        }
        app.log().info("outbox", {{"database", database.description()}});
    });
    app.health().add("database", host::Need::required, [&database] {
        return backing::health_of(database);
    });
}

postgres::ConnectionOptions connection_options(
    const backing::DatabaseSettings& settings, const char* purpose
) {
    auto options = backing::pool_options(settings).connection;
    options.application_name = std::string{"relay "} + purpose;
    return options;
}

}  // namespace resilience::modules::relay
