// SPDX-License-Identifier: MIT
#include <modules/relay/lanes.hpp>

#include <host/app.hpp>
#include <modules/relay/graceful.hpp>
#include <modules/relay/lane_backlogs.hpp>
#include <modules/relay/lane_beginnings.hpp>
#include <modules/relay/lane_metrics.hpp>
#include <modules/relay/lane_report.hpp>
#include <modules/relay/parts.hpp>
#include <modules/relay/row_lanes.hpp>
#include <modules/relay/sink.hpp>

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/postgres/lane_locks.hpp>
#include <resilience/postgres/outbox_window_source.hpp>
#include <resilience/postgres/pool.hpp>
#include <resilience/postgres/unparks.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace resilience::modules::relay {
namespace {

constexpr std::chrono::milliseconds longest_poll{20};
// Several lanes share the memory of the program.
constexpr std::size_t chunk_bytes = 2 * 1024 * 1024;

net::awaitable<Result<std::vector<ParkedKey>>> find_unparks(
    resilience::postgres::Pool& pool, std::string outbox, int lane
) {
    auto connection = co_await pool.async_acquire(net::use_awaitable);
    if (!connection) co_return connection.error();
    co_return co_await resilience::postgres::take_unparks(
        **connection, std::move(outbox), lane
    );
}

LaneGroupOptions group_options(
    const RelaySettings& settings,
    const std::string& outbox,
    const LaneBeginnings& beginnings,
    resilience::postgres::Pool& pool
) {
    LaneGroupOptions options;
    options.lanes = static_cast<int>(settings.lanes);
    options.relay.map_version = static_cast<std::uint32_t>(settings.map_version);
    options.relay.chunk_rows = static_cast<std::size_t>(settings.chunk_size);
    options.relay.chunk_bytes = chunk_bytes;
    options.relay.poll_interval = std::min(settings.poll_interval, longest_poll);
    options.relay.poison = read_poison(settings.poison).value();
    options.relay.topic_poison = read_poison_topics(settings.poison_topics).value();
    options.relay.find_unparks = [&pool, outbox](int lane) {
        return find_unparks(pool, outbox, lane);
    };
    options.relay.find_first = [&beginnings](int lane) { return beginnings.find(lane); };
    return options;
}

bool fails(LaneState state) noexcept {
    return state == LaneState::paused || state == LaneState::halted ||
           state == LaneState::fenced;
}

// Tells the log what a lane does. One for each run of a lane.
LaneRelayObserver lane_log(host::Log& log, int lane) {
    const auto changed =
        [&log, lane, told = LaneState::running](const LaneRelaySnapshot& now) mutable {
            const bool is_failing = fails(now.state);
            if (now.state == told || !(is_failing || now.state == LaneState::running)) {
                return;
            }
            if (!is_failing) {
                log.info("lane resumed", {{"lane", lane}});
            } else {
                const char* what = now.state == LaneState::paused   ? "lane paused"
                                   : now.state == LaneState::halted ? "lane halted"
                                                                    : "lane fenced";
                log.warn(what, {{"lane", lane}, {"reason", now.reason}});
            }
            told = now.state;
        };
    const auto committed = [&log, lane](const CommittedChunk& chunk) {
        for (const auto& [event, why, is_behind] : chunk.dead_letters) {
            // There may be many, and their key's first was told of.
            if (is_behind) continue;
            log.error(
                "dead letter",
                {{"lane", lane},
                 {"event", chunk.events[event].event.id},
                 {"reason", why.message()}}
            );
        }
    };
    return {.changed = changed, .committed = committed};
}

}  // namespace

host::PartHealth health_of(const LaneGroupSnapshot& group, TimePoint now) {
    // As long as deliveries that are claimed may be paused.
    constexpr std::chrono::seconds grace{3};
    if (auto stall = find_stall(group, now, grace); !stall.empty()) {
        return {host::HealthState::down, std::move(stall), {}};
    }
    for (const auto& [owned, since, runs, relay] : group.lanes) {
        if (!owned || !fails(relay.state)) continue;
        return {host::HealthState::degraded, "a lane does not deliver", relay.reason};
    }
    return {};
}

struct LaneLoop::Impl {
    Impl(
        host::App& owner,
        backing::Database& database,
        const RelaySettings& settings,
        const backing::DatabaseSettings& database_settings,
        const backing::KafkaSettings& kafka
    )
        : app(owner),
          sink_options(lane_producer_options(settings, database_settings)),
          source_connection(connection_options(database_settings, "lane")),
          shared_look(std::make_shared<resilience::postgres::SharedLook>()),
          producer(producer_options(owner, kafka)),
          locks(
              owner.executor(),
              {.connection = connection_options(database_settings, "lanes"),
               .lanes = static_cast<int>(settings.lanes)}
          ),
          ownership(*database.postgres(), locks, static_cast<int>(settings.lanes)),
          metrics(owner.metrics(), static_cast<int>(settings.lanes)),
          backlogs(
              owner.metrics(), *database.postgres(), static_cast<int>(settings.lanes)
          ),
          beginnings(
              owner.executor(),
              *database.postgres(),
              connection_options(database_settings, "first"),
              settings.first
          ),
          report(
              LaneReport::is_wanted(settings)
                  ? std::make_unique<LaneReport>(owner, settings, database_settings)
                  : nullptr
          ),
          group(
              owner.executor(),
              ownership,
              [this](int lane) { return make(lane); },
              group_options(
                  settings, sink_options.outbox, beginnings, *database.postgres()
              ),
              [this](const LaneGroupSnapshot& now) { observe(now); }
          ) {}

    LaneParts make(int lane) {
        LaneParts parts;
        parts.source = std::make_unique<resilience::postgres::OutboxWindowSource>(
            app.executor(),
            resilience::postgres::OutboxWindowSourceOptions{
                .connection = source_connection, .shared_look = shared_look}
        );
        auto options = sink_options;
        options.lane = lane;
        parts.sink = std::make_unique<NotedSink>(
            beginnings,
            lane,
            std::make_unique<resilience::kafka::LaneProducer>(
                app.executor(), producer, std::move(options)
            )
        );
        parts.observer = lane_log(app.log(), lane);
        if (report) parts.observer = report->observe(lane, std::move(parts.observer));
        return parts;
    }

    net::awaitable<void> run() {
        return report ? report->follow(group.run()) : group.run();
    }

    // Runs on the group's strand alone.
    void observe(const LaneGroupSnapshot& now) {
        std::string owned;
        for (std::size_t lane = 0; lane < now.lanes.size(); ++lane) {
            if (!now.lanes[lane].owned) continue;
            if (!owned.empty()) owned += ',';
            owned += std::to_string(lane);
        }
        if (now.members > 0) {
            app.log().info("lanes shared", {{"members", now.members}, {"owned", owned}});
        } else if (now.reason.empty()) {
            app.log().info("lanes left");
        } else if (now.reason != reason) {
            app.log().warn("lanes cannot be shared", {{"reason", now.reason}});
        }
        reason = now.reason;
    }

    host::App& app;
    resilience::kafka::LaneProducerOptions sink_options;
    resilience::postgres::ConnectionOptions source_connection;
    std::shared_ptr<resilience::postgres::SharedLook> shared_look;
    resilience::kafka::ProducerOptions producer;
    resilience::postgres::LaneLocks locks;
    RowCheckedOwnership ownership;
    LaneMetrics metrics;
    LaneBacklogs backlogs;
    std::string reason;
    LaneBeginnings beginnings;
    std::unique_ptr<LaneReport> report;
    LaneGroup group;
};

LaneLoop::LaneLoop(
    host::App& app,
    backing::Database& database,
    const RelaySettings& settings,
    const backing::DatabaseSettings& database_settings,
    const backing::KafkaSettings& kafka
)
    : impl_(std::make_unique<Impl>(app, database, settings, database_settings, kafka)) {
    add_database(app, database);
    const auto impl = impl_.get();
    app.log().info(
        "events go to Kafka, exactly once",
        {{"brokers", kafka.brokers},
         {"outbox", impl->sink_options.outbox},
         {"lanes", impl->sink_options.lanes}}
    );
    app.on_start("lanes", [&database, impl]() -> net::awaitable<void> {
        const auto checked =
            co_await check_row_lanes(*database.postgres(), impl->sink_options.lanes);
        // A server that does not answer is asked again before a lane is taken.
        if (checked && !checked->empty()) throw std::invalid_argument(*checked);
    });
    app.metrics().on_scrape([impl] {
        impl->metrics.show(impl->group.snapshot(), Clock::now());
    });
    app.health().add(
        "delivery",
        host::Need::required,
        [impl]() -> net::awaitable<host::PartHealth> {
            co_return health_of(impl->group.snapshot(), Clock::now());
        }
    );
    // Somebody may write with more lanes later, too.
    app.health().add(
        "lanes",
        host::Need::required,
        [&database, impl]() -> net::awaitable<host::PartHealth> {
            const auto checked =
                co_await check_row_lanes(*database.postgres(), impl->sink_options.lanes);
            // The part `database` tells of a server that does not answer.
            if (!checked || checked->empty()) co_return host::PartHealth{};
            co_return host::PartHealth{host::HealthState::down, *checked, {}};
        }
    );
    app.background("relay", [impl] {
        return run_gracefully(impl->run(), [impl] { impl->group.stop(); });
    });
    app.background("backlogs", [impl] {
        return impl->backlogs.run([impl] { return impl->group.snapshot(); });
    });
}

LaneLoop::~LaneLoop() = default;

}  // namespace resilience::modules::relay
