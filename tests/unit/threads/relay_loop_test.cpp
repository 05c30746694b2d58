// SPDX-License-Identifier: MIT
#include "unit/modules/embedded_users.hpp"

#include <host/app.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/relay.hpp>

#include <resilience/sqlite/database.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

using namespace resilience;
using namespace resilience::modules;

namespace {

constexpr const char* insert =
    "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
    "event_data, topic, created_at) VALUES ('0190163d-8694-739b-aea5-966c26f8ad91', "
    "'user', '7', 'user.created', '{}', 'user-events', '2026-01-31T23:59:59Z')";

host::AppOptions many_threads() {
    host::AppOptions options{.name = "test", .serve = false, .threads = 4};
    options.log_level = "error";
    return options;
}

}  // namespace

TEST_CASE(
    "I12: a relay of a program with many threads delivers and ends when it is asked to"
) {
    for (int turn = 0; turn < 10; ++turn) {
        const fixture::Folder folder;
        const backing::DatabaseSettings settings{.data_dir = folder.path()};
        host::App app{many_threads()};
        backing::Database database{app.executor(), settings};
        relay::RelayLoop loop{app, database, {}, settings, {}};
        app.on_start("event", [&database]() -> net::awaitable<void> {
            const auto written = co_await database.sqlite()->async_execute(insert);
            REQUIRE(written.has_value());
        });
        app.background("end", [&]() -> net::awaitable<void> {
            for (bool sent = false; !sent;) {
                const auto rows = co_await database.sqlite()->async_execute(
                    "SELECT status FROM outbox_events"
                );
                REQUIRE(rows.has_value());
                sent = (*rows)[0].text(0) == "SENT";
            }
            app.stop();
            const auto executor = co_await net::this_coro::executor;
            net::steady_timer never(executor, TimePoint::max());
            co_await never.async_wait(net::use_awaitable);
        });
        CHECK(app.run() == 0);
    }
}
