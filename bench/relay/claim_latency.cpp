// SPDX-License-Identifier: MIT
// Measures the time from a commit in PostgreSQL to Kafka's acknowledgement while the
// system is otherwise idle: one event every 50 ms, written through a connection of its
// own.
//
// Run:    eval "$(scripts/services env)"; bench_claim_latency [events]
// Prints: quantiles, for polling with the default settings and others, and for a writer
//         that wakes the relay.
#include "bench/median.hpp"
#include "bench/relay/relay_bench.hpp"

#include <resilience/kafka/kafka_sink.hpp>
#include <resilience/outbox.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;
using std::chrono::milliseconds;

// Events whose latency is not counted: connections and topic are new to them.
constexpr std::size_t warm_up = 10;

struct Scenario {
    const char* name;
    milliseconds poll_interval;
    milliseconds pause;
    bool wakes = false;
    std::size_t events = 0;
};

// The moments of one event, by its id.
struct Times {
    TimePoint committed;
    TimePoint acknowledged;
};

// Writes the events, waits until the last is acknowledged, and stops the relay.
net::awaitable<void> write_events(
    postgres::Pool& pool,
    const std::string& topic,
    const Scenario& scenario,
    Relay& relay,
    std::map<std::string, Times>& times,
    std::size_t& acknowledged
) {
    const Outbox outbox;
    net::steady_timer timer{co_await net::this_coro::executor};
    // Without the jitter the writer could fall into step with the relay.
    std::minstd_rand random{4711};
    std::uniform_real_distribution<double> jitter{0.5, 1.5};
    for (std::size_t i = 0; i < scenario.events + warm_up; ++i) {
        std::string id;
        value_of(co_await postgres::with_transaction(
            pool,
            [&](postgres::Transaction& transaction) -> net::awaitable<Result<void>> {
                auto event = numbered_event(topic, i);
                auto written = co_await outbox.append(transaction, std::move(event));
                if (!written) co_return written.error();
                id = written->to_string();
                co_return Result<void>{};
            }
        ));
        if (i >= warm_up) times[id].committed = Clock::now();
        if (scenario.wakes) relay.wake();
        timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(
            scenario.pause * jitter(random)
        ));
        co_await timer.async_wait(net::use_awaitable);
    }
    while (acknowledged < scenario.events + warm_up) {
        timer.expires_after(milliseconds{10});
        co_await timer.async_wait(net::use_awaitable);
    }
    relay.stop();
}

void measure(RelayBench& bench, const Scenario& scenario) {
    bench.renew_topic();
    bench.run_sql("TRUNCATE outbox_events");
    net::io_context io{1};
    modules::backing::Database database{io.get_executor(), bench.database()};
    const auto outbox = database.outbox_source();
    kafka::KafkaSink producer{io.get_executor(), bench.producer()};
    std::map<std::string, Times> times;
    std::size_t acknowledged = 0;
    TimedSink sink{producer, [&](const ClaimedEvent& event, TimePoint now) {
                       ++acknowledged;
                       times[event.event.id].acknowledged = now;
                   }};
    TimedSource source{*outbox};
    Relay relay{
        io.get_executor(), source, sink, {.poll_interval = scenario.poll_interval}};

    // Both work on one thread but never at the same time, as far as it matters: what is
    // measured begins when the writer has its commit and rests.
    modules::backing::Database writer{io.get_executor(), bench.database()};
    net::co_spawn(
        io,
        write_events(
            *writer.postgres(), bench.topic(), scenario, relay, times, acknowledged
        ),
        [](std::exception_ptr error) {
            if (error) std::rethrow_exception(error);
        }
    );
    run(io, relay.run());

    std::vector<double> latencies;
    for (const auto& [id, each] : times) {
        if (each.committed == TimePoint{}) continue;
        latencies.push_back(
            std::chrono::duration<double, std::milli>(each.acknowledged - each.committed)
                .count()
        );
    }
    std::printf(
        "%-44s %6zu %8.1f %8.1f %8.1f %8.1f   claim %.2f deliver %.2f ms\n",
        scenario.name,
        latencies.size(),
        median(latencies),
        quantile(latencies, 0.9),
        quantile(latencies, 0.99),
        quantile(latencies, 1),
        source.claims.milliseconds_per_call(),
        sink.deliveries.milliseconds_per_call()
    );
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    const std::size_t events = argc > 1 ? std::stoul(argv[1]) : 400;
    RelayBench bench{"claim_latency"};
    std::printf(
        "%-44s %6s %8s %8s %8s %8s\n",
        "commit to acknowledgement",
        "events",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms"
    );
    const Scenario scenarios[] = {
        {"every 50 ms, RELAY_POLL_INTERVAL=5s", milliseconds{5000}, milliseconds{50}},
        {"every 50 ms, RELAY_POLL_INTERVAL=20ms", milliseconds{20}, milliseconds{50}},
        {"every 50 ms, woken by the writer", milliseconds{5000}, milliseconds{50}, true},
        {"every 1 s, RELAY_POLL_INTERVAL=5s", milliseconds{5000}, milliseconds{1000}},
        {"every 1 s, RELAY_POLL_INTERVAL=20ms", milliseconds{20}, milliseconds{1000}},
        {"every 1 s, woken by the writer", milliseconds{5000}, milliseconds{1000}, true},
    };
    for (Scenario scenario : scenarios) {
        const bool slow = scenario.pause >= milliseconds{1000};
        scenario.events = slow ? events / 20 : events;
        measure(bench, scenario);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_claim_latency: %s\n", e.what());
    return 1;
}
