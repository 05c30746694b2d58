// SPDX-License-Identifier: MIT
#include <modules/relay/relay.hpp>

#include <host/app.hpp>
#include <host/health.hpp>
#include <modules/relay/graceful.hpp>
#include <modules/relay/parts.hpp>
#include <modules/relay/sink.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace resilience::modules::relay {
namespace {

RelayOptions relay_options(
    const RelaySettings& settings, const backing::KafkaSettings& kafka
) {
    // A delivery that is still under way must not count as abandoned.
    if (kafka.use_kafka && settings.stale_after < kafka.delivery_timeout * 3 / 2) {
        throw std::invalid_argument(
            "RELAY_STALE_AFTER must be at least one and a half times "
            "KAFKA_DELIVERY_TIMEOUT"
        );
    }
    return {
        .batch_size = static_cast<std::size_t>(settings.batch_size),
        .poll_interval = settings.poll_interval,
        .stale_after = settings.stale_after,
    };
}

// Shows a snapshot as metrics.
class RelayMetrics {
public:
    explicit RelayMetrics(prometheus::Metrics& metrics)
        : events_(metrics.counters(
              "relay_events_total", "Events by what became of them", {"result"}
          )),
          pauses_(metrics.counter(
              "relay_pauses_total", "Pauses because source or sink was down"
          )),
          paused_(metrics.gauge("relay_paused", "1 while source or sink is down")),
          depth_(
              metrics.gauge("outbox_events_pending", "Events that are not delivered yet")
          ),
          lag_(metrics.gauge("outbox_lag_seconds", "Age of the oldest pending event")) {}

    void show(const RelaySnapshot& now) const {
        show("claimed", now.claimed);
        show("sent", now.sent);
        show("retried", now.retried);
        show("failed", now.failed);
        show("released", now.released);
        show("skipped", now.skipped);
        show("stale_reset", now.stale_reset);
        pauses_.raise_to(static_cast<double>(now.pauses));
        paused_.set(now.paused ? 1 : 0);
        depth_.set(static_cast<double>(now.depth.events));
        lag_.set(std::chrono::duration<double>(now.depth.oldest).count());
    }

private:
    void show(std::string_view result, std::uint64_t count) const {
        events_.with({result}).raise_to(static_cast<double>(count));
    }

    prometheus::CounterFamily events_;
    prometheus::Counter pauses_;
    prometheus::Gauge paused_;
    prometheus::Gauge depth_;
    prometheus::Gauge lag_;
};

}  // namespace

host::PartHealth health_of(const RelaySnapshot& relay, TimePoint now) {
    // Writers of an embedded database that get in its way for a while, or a broker that
    // starts again, are no reason to call the program down.
    constexpr std::chrono::seconds grace{3};
    if (!relay.paused) return {};
    const bool lasting = now - relay.paused_since >= grace;
    const auto state = lasting ? host::HealthState::down : host::HealthState::degraded;
    return {state, "deliveries are paused", relay.reason};
}

struct RelayLoop::Impl {
    Impl(
        host::App& owner,
        backing::Database& database,
        const RelaySettings& settings,
        const backing::DatabaseSettings& database_settings,
        const backing::KafkaSettings& kafka
    )
        : app(owner),
          source(database.outbox_source()),
          sink(make_sink(owner, database_settings, kafka)),
          metrics(owner.metrics()),
          relay(
              owner.executor(),
              *source,
              *sink,
              relay_options(settings, kafka),
              [this](const RelaySnapshot& now) { observe(now); }
          ) {}

    // Runs on the relay's strand alone.
    void observe(const RelaySnapshot& now) {
        metrics.show(now);
        if (now.paused && now.reason != reason) {
            app.log().warn("relay paused", {{"reason", now.reason}});
        } else if (!now.paused && !reason.empty()) {
            app.log().info("relay resumed");
        }
        if (now.failed > failed) {
            app.log().error(
                "events given up as FAILED", {{"count", now.failed - failed}}
            );
        }
        if (now.skipped > skipped) {
            app.log().error(
                "the outbox refuses events, they wait",
                {{"count", now.skipped - skipped}, {"reason", now.refusal}}
            );
        } else if (now.refusal != refusal) {
            app.log().error("the outbox refused a call", {{"reason", now.refusal}});
        }
        if (now.stale_reset > stale) {
            app.log().warn("stale events reset", {{"count", now.stale_reset - stale}});
        }
        reason = now.paused ? now.reason : std::string{};
        refusal = now.refusal;
        failed = now.failed;
        skipped = now.skipped;
        stale = now.stale_reset;
    }

    net::awaitable<void> run() {
        return run_gracefully(relay.run(), [this] { relay.stop(); });
    }

    host::App& app;
    std::unique_ptr<ClaimSource> source;
    std::unique_ptr<EventSink> sink;
    RelayMetrics metrics;
    std::string reason;
    std::string refusal;
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
    std::uint64_t stale = 0;
    Relay relay;
};

RelayLoop::RelayLoop(
    host::App& app,
    backing::Database& database,
    const RelaySettings& settings,
    const backing::DatabaseSettings& database_settings,
    const backing::KafkaSettings& kafka
)
    : impl_(std::make_unique<Impl>(app, database, settings, database_settings, kafka)) {
    add_database(app, database);
    app.health().add(
        "delivery",
        host::Need::required,
        [impl = impl_.get()]() -> net::awaitable<host::PartHealth> {
            co_return health_of(impl->relay.snapshot(), Clock::now());
        }
    );
    app.background("relay", [impl = impl_.get()] { return impl->run(); });
}

RelayLoop::~RelayLoop() = default;

}  // namespace resilience::modules::relay
