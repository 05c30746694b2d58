// SPDX-License-Identifier: MIT
// Delivers a backlog that appears at once, from PostgreSQL to Kafka exactly once, by the
// program relay; in turns with a bare transactional producer of the same contents, once
// without and once with the headers that the relay sends.
//
// Run:    eval "$(scripts/services env)"; bench_relay_backlog [events] [rounds]
//         [lanes...]
// Prints: for each round the rates of both and their ratio, and what the relay took of
//         memory and processors; their medians.
#include "bench/median.hpp"
#include "bench/relay/bare_producer.hpp"
#include "bench/relay/committed_reader.hpp"
#include "bench/relay/relay_program.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t chunk = 5000;
constexpr int partitions = 4;

// All of it becomes visible with the commit.
void seed(const RelayBench& bench, std::size_t events, int lanes) {
    const auto user = "'user-' || (i % 1000)";
    // As numbered_content, made by the server.
    const auto content =
        "('{\"n\": ' || i || ', \"text\": \"' || substr(repeat(md5(i::text), 3) || "
        "repeat(md5((i * 7)::text), 3) || repeat(md5((i * 11)::text), 3), 1, 270) || "
        "'\"}')::jsonb";
    bench.run_sql(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic, partition_key, lane) SELECT gen_random_uuid(), 'user', " +
        std::string{user} + ", 'user.updated', " + std::string{content} + ", '" +
        bench.topic() + "', " + user + ", i % 1000 % " + std::to_string(lanes) +
        " FROM generate_series(1, " + std::to_string(events) + ") AS i ORDER BY i"
    );
}

// What the relay sends with each event.
std::vector<Header> relay_headers() {
    return {
        {"ce_specversion", "1.0"},
        {"ce_id", "018f0000-0000-7000-8000-000000000001"},
        {"ce_source", "/resilience/outbox"},
        {"ce_type", "user.updated"},
        {"ce_subject", "user-100"},
        {"ce_time", "2026-01-31T23:59:59.123456Z"},
        {"content-type", "application/json"},
        {"lane", "0"},
        {"lane_seq", "250000"}};
}

double bare_rate(RelayBench& bench, std::size_t events, std::vector<Header> headers) {
    bench.renew_topic(partitions);
    std::vector<std::string> contents;
    for (std::size_t i = 0; i < chunk; ++i) contents.push_back(numbered_content(i));
    BareProducer producer{bench.brokers(), bench.topic(), std::move(headers)};
    producer.commit(1, contents);
    const auto began = Clock::now();
    for (std::size_t sent = 0; sent < events; sent += chunk) {
        producer.commit(chunk, contents);
    }
    return static_cast<double>(events) / Seconds(Clock::now() - began).count();
}

struct Drained {
    double rate = 0;
    double cpu_us_per_event = 0;
    double peak_mib = 0;
};

Drained drain(RelayBench& bench, std::size_t events, int lanes) {
    bench.renew_topic(partitions);
    bench.run_sql("TRUNCATE outbox_events");
    RelayProgram relay{
        bench,
        {{"RELAY_LANES", std::to_string(lanes)},
         // Of each number of lanes, which begin anew.
         {"RELAY_OUTBOX", bench.topic()},
         {"RELAY_FIRST", "everything"},
         // The rate of delivery alone; the report has figures of its own.
         {"RELAY_REPORT", "off"}}};
    // One event of each lane before: connections and topic are known then.
    seed(bench, 1000, lanes);
    relay.wait_until_ready(lanes);
    const auto delivered = [&] { return relay.total("relay_lane_events_total"); };
    while (delivered() < 1000) e2e::pause_between_looks();
    const auto cpu = relay.process().cpu_time();
    seed(bench, events, lanes);
    const auto began = Clock::now();
    const auto all = static_cast<double>(events + 1000);
    while (delivered() < all) {
        if (!relay.process().running()) {
            throw std::runtime_error(relay.process().output());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    const auto took = Seconds(Clock::now() - began).count();
    const Seconds worked = relay.process().cpu_time() - cpu;
    const auto number = static_cast<double>(events);
    const CommittedReader reader{bench.brokers(), bench.topic(), partitions, {}};
    if (!reader.wait_for(events + 1000, std::chrono::seconds{60})) {
        throw std::runtime_error("not all of it can be read");
    }
    return {
        number / took,
        1e6 * worked.count() / number,
        static_cast<double>(relay.process().peak_resident_kib()) / 1024};
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::size_t events = arguments.empty() ? 500'000 : std::stoul(arguments[0]);
    const int rounds = arguments.size() < 2 ? 5 : std::stoi(arguments[1]);
    std::vector<int> lanes;
    for (std::size_t i = 2; i < arguments.size(); ++i) {
        lanes.push_back(std::stoi(arguments[i]));
    }
    if (lanes.empty()) lanes = {1, 4};
    RelayBench bench{"relay_backlog", partitions};
    bench.print_settings();
    for (const int count : lanes) {
        std::vector<double> rates;
        std::vector<double> ratios;
        std::vector<double> same;
        for (int round = 0; round < rounds; ++round) {
            const double bare = bare_rate(bench, events, {});
            const double with_headers = bare_rate(bench, events, relay_headers());
            const auto [rate, cpu, peak] = drain(bench, events, count);
            rates.push_back(rate);
            ratios.push_back(rate / bare);
            same.push_back(rate / with_headers);
            std::printf(
                "%d lanes: bare %8.0f  with headers %8.0f  relay %8.0f events/s  ratios "
                "%.2f %.2f  %.1f us of a core per event, peak %.0f MiB\n",
                count,
                bare,
                with_headers,
                rate,
                ratios.back(),
                same.back(),
                cpu,
                peak
            );
            std::fflush(stdout);
        }
        std::printf(
            "%d lanes, median of %d: %.0f events/s, ratios %.2f and %.2f\n\n",
            count,
            rounds,
            median(rates),
            median(ratios),
            median(same)
        );
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_relay_backlog: %s\n", e.what());
    return 1;
}
