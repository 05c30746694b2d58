// SPDX-License-Identifier: MIT
#include <modules/relay/parts.hpp>

#include <host/app.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/health.hpp>

#include <stdexcept>

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

}  // namespace resilience::modules::relay
