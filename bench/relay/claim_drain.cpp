// SPDX-License-Identifier: MIT
// Drains a backlog from PostgreSQL into a topic of four partitions, with the relay as its
// program runs it, for the default batch of 100 and for 1,000.
//
// Run:    eval "$(scripts/services env)"; build/release/bench/bench_claim_drain [events]
//         [batch sizes...]
// Prints: for each batch size the rate, and the time of each stage per batch.
#include "bench/relay/relay_bench.hpp"

#include <resilience/kafka/kafka_sink.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;

constexpr int keys = 1000;
constexpr int content_bytes = 300;

// One event after the other of 1,000 aggregates, as if so many users had changed in turn.
void seed(const RelayBench& bench, std::size_t events) {
    const std::string frame = R"({"id": "0000000", "text": ""})";
    const auto filler = std::to_string(content_bytes - static_cast<int>(frame.size()));
    const auto key = "'user-' || (i % " + std::to_string(keys) + ")";
    bench.run_sql("TRUNCATE outbox_events");
    bench.run_sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic, partition_key) SELECT gen_random_uuid(), 'user', " +
        key +
        ", 'user.updated', "
        "json_build_object('id', lpad(i::text, 7, '0'), 'text', repeat('x', " +
        filler + "))::jsonb, '" + bench.topic() + "', " + key +
        " FROM generate_series(1, " + std::to_string(events) + ") AS i ORDER BY i"
    );
    bench.run_sql("CHECKPOINT");
}

void print(const char* stage, const StageTime& time, std::chrono::duration<double> all) {
    std::printf(
        "    %-10s %8.2f ms per batch, %3.0f %% of the time\n",
        stage,
        time.milliseconds_per_call(),
        100 * time.total / all
    );
}

void drain(RelayBench& bench, std::size_t events, std::size_t batch_size) {
    bench.renew_topic();
    seed(bench, events);

    net::io_context io{1};
    modules::backing::Database database{io.get_executor(), bench.database()};
    const auto outbox = database.outbox_source();
    TimedSource source{*outbox};
    kafka::KafkaSink producer{io.get_executor(), bench.producer()};
    TimedSink sink{producer};
    std::optional<Relay> relay;
    RelaySnapshot last;
    relay.emplace(
        io.get_executor(),
        source,
        sink,
        RelayOptions{.batch_size = batch_size},
        [&](const RelaySnapshot& now) {
            last = now;
            if (now.sent + now.failed >= events) relay->stop();
        }
    );
    const auto start = Clock::now();
    run(io, relay->run());
    const std::chrono::duration<double> took = Clock::now() - start;
    if (last.sent != events) throw std::runtime_error("not all events were sent");

    std::printf(
        "%zu events, batches of %zu: %.1f s, %.0f events/s (claimed %llu, pauses %llu)\n",
        events,
        batch_size,
        took.count(),
        static_cast<double>(events) / took.count(),
        static_cast<unsigned long long>(last.claimed),
        static_cast<unsigned long long>(last.pauses)
    );
    print("claim", source.claims, took);
    print("deliver", sink.deliveries, took);
    print("settle", source.settles, took);
    print("upkeep", source.others, took);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::size_t events = arguments.empty() ? 200'000 : std::stoul(arguments[0]);
    std::vector<std::size_t> sizes;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        sizes.push_back(std::stoul(arguments[i]));
    }
    if (sizes.empty()) sizes = {100, 1000};
    RelayBench bench{"claim_drain"};
    for (const auto size : sizes) drain(bench, events, size);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_claim_drain: %s\n", e.what());
    return 1;
}
