// SPDX-License-Identifier: MIT
// Delivers transactions of one event each while they are written: how long from a commit
// to a consumer in read_committed, and whether the relay keeps up with all that
// PostgreSQL can take beside it.
//
// Run:    eval "$(scripts/services env)"; bench_relay_live [transactions a second]
//         [seconds] [lanes]
// Prints: a bare producer's single commits; latencies at the rate; then for each five
//         seconds of writing without pause the rate and the lag.
#include "bench/median.hpp"
#include "bench/relay/bare_producer.hpp"
#include "bench/relay/committed_reader.hpp"
#include "bench/relay/event_writers.hpp"
#include "bench/relay/relay_program.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int partitions = 4;
// Their latency is not counted: connections and topic are new to them.
constexpr std::size_t warm_up = 500;

void print(const char* name, const std::vector<double>& times) {
    std::printf(
        "%-40s p50 %6.2f  p90 %6.2f  p99 %6.2f  max %6.2f ms\n",
        name,
        median(times),
        quantile(times, 0.9),
        quantile(times, 0.99),
        quantile(times, 1)
    );
    std::fflush(stdout);
}

double bare_commits(RelayBench& bench) {
    bench.renew_topic(partitions);
    const std::vector<std::string> content{numbered_content(0)};
    BareProducer producer{bench.brokers(), bench.topic()};
    std::vector<double> times;
    for (std::size_t i = 0; i < 2000; ++i) {
        const auto began = Clock::now();
        producer.commit(1, content);
        if (i >= 100) times.push_back(Milliseconds(Clock::now() - began).count());
    }
    print("bare producer, one event a transaction", times);
    return median(times);
}

void print_use(const RelayProgram& relay, milliseconds before, seconds time) {
    const auto worked = relay.process().cpu_time() - before;
    std::printf(
        "    relay: %.0f %% of a core, peak %.0f MiB, %.0f transactions, %.0f aborts, "
        "%.0f put off\n",
        100.0 * static_cast<double>(worked.count()) / Milliseconds(time).count(),
        static_cast<double>(relay.process().peak_resident_kib()) / 1024,
        relay.total("relay_lane_chunks_total"),
        relay.total("relay_lane_aborts_total"),
        relay.total("relay_lane_put_offs_total")
    );
}

e2e::Environment environment(const RelayBench& bench, int lanes) {
    return {
        {"RELAY_LANES", std::to_string(lanes)},
        // Of each number of lanes and topic, which begin anew.
        {"RELAY_OUTBOX", bench.topic()},
        {"RELAY_FIRST", "everything"}};
}

void measure_latency(
    RelayBench& bench, std::int16_t lanes, double rate, seconds time, double bare
) {
    const auto count = static_cast<std::size_t>(rate * static_cast<double>(time.count()));
    std::vector<TimePoint> committed(count);
    std::vector<TimePoint> arrived(count);
    RelayProgram relay{bench, environment(bench, lanes)};
    relay.wait_until_ready(lanes);
    const auto cpu = relay.process().cpu_time();
    {
        const CommittedReader reader{
            bench.brokers(),
            bench.topic(),
            partitions,
            [&](std::string_view value, TimePoint now) {
                arrived[number_of(value)] = now;
            }};
        EventWriters writers{
            bench,
            {.writers = 8, .rate = rate, .most = count, .lanes = lanes},
            [&](std::size_t number, TimePoint now) { committed[number] = now; }};
        writers.join();
        if (!reader.wait_for(count, seconds{30})) throw std::runtime_error("events lack");
    }
    std::vector<double> times;
    for (std::size_t i = warm_up; i < count; ++i) {
        times.push_back(Milliseconds(arrived[i] - committed[i]).count());
    }
    const auto name =
        "commit to consumer, " + std::to_string(static_cast<int>(rate)) + " a second";
    print(name.c_str(), times);
    std::printf("    p50 is %.1f of the bare producer's\n", median(times) / bare);
    print_use(relay, cpu, time);
}

void measure_load(RelayBench& bench, std::int16_t lanes, seconds time) {
    RelayProgram relay{bench, environment(bench, lanes)};
    relay.wait_until_ready(lanes);
    const auto cpu = relay.process().cpu_time();
    const CommittedReader reader{bench.brokers(), bench.topic(), partitions, {}};
    EventWriters writers{
        bench,
        {.writers = 16, .most = std::size_t{1} << 40, .lanes = lanes},
        [](std::size_t, TimePoint) {}};
    constexpr seconds step{5};
    const auto began = Clock::now();
    for (auto part = step; part <= time; part += step) {
        const auto before = writers.committed();
        std::vector<double> lags;
        while (Clock::now() < began + part) {
            std::this_thread::sleep_for(milliseconds{20});
            const auto read = static_cast<double>(reader.count());
            lags.push_back(static_cast<double>(writers.committed()) - read);
        }
        std::printf(
            "%3lld s  %6.0f transactions/s  lag p50 %5.0f  max %5.0f events\n",
            static_cast<long long>(part.count()),
            static_cast<double>(writers.committed() - before) /
                static_cast<double>(step.count()),
            median(lags),
            quantile(lags, 1)
        );
        std::fflush(stdout);
    }
    const auto stopped = Clock::now();
    writers.stop();
    writers.join();
    if (!reader.wait_for(writers.committed(), seconds{60})) {
        throw std::runtime_error("events lack");
    }
    std::printf(
        "    all there %.0f ms after the last commit\n",
        Milliseconds(Clock::now() - stopped).count()
    );
    print_use(relay, cpu, time);
}

}  // namespace

int main(int argc, char** argv) try {
    const double rate = argc > 1 ? std::stod(argv[1]) : 500;
    const seconds time{argc > 2 ? std::stol(argv[2]) : 60};
    const auto lanes = static_cast<std::int16_t>(argc > 3 ? std::stoi(argv[3]) : 4);
    RelayBench bench{"relay_live", partitions};
    bench.print_settings();
    const double bare = bare_commits(bench);
    bench.renew_topic(partitions);
    measure_latency(bench, lanes, rate, time / 2, bare);
    bench.renew_topic(partitions);
    bench.run_sql("TRUNCATE outbox_events");
    measure_load(bench, lanes, time);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_relay_live: %s\n", e.what());
    return 1;
}
