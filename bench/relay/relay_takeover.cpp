// SPDX-License-Identifier: MIT
// How long after kill -9 of the relay the next event comes to a consumer, with a second
// instance standing by and by a restart alone; and what an idle relay takes.
//
// Run:    eval "$(scripts/services env)"; bench_relay_takeover [kills]
// Prints: quantiles of the longest silence after each kill; the processor time of an
//         idle relay.
#include "bench/median.hpp"
#include "bench/relay/committed_reader.hpp"
#include "bench/relay/event_writers.hpp"
#include "bench/relay/relay_program.hpp"

#include <cstdio>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;
using std::chrono::seconds;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int partitions = 4;
constexpr int lanes = 4;
constexpr double rate = 200;

// The latencies of events as a consumer sees them, by when they were committed.
class Latencies {
public:
    explicit Latencies(std::size_t most) : committed_(most) {}

    void commit(std::size_t number, TimePoint now) {
        const std::lock_guard lock{mutex_};
        committed_[number] = now;
    }
    void arrive(std::size_t number, TimePoint now) {
        const std::lock_guard lock{mutex_};
        const auto late = Milliseconds(now - committed_[number]).count();
        if (committed_[number] != TimePoint{} && late > longest_) longest_ = late;
    }
    // The longest since the last time that it was asked for.
    double take_longest() {
        const std::lock_guard lock{mutex_};
        return std::exchange(longest_, 0);
    }

private:
    std::mutex mutex_;
    std::vector<TimePoint> committed_;
    double longest_ = 0;
};

void print(const char* name, const std::vector<double>& times) {
    std::printf(
        "%-34s p50 %5.0f  p90 %5.0f  max %5.0f ms, %zu kills\n",
        name,
        median(times),
        quantile(times, 0.9),
        quantile(times, 1),
        times.size()
    );
    std::fflush(stdout);
}

using Relays = std::vector<std::optional<RelayProgram>>;

void start(RelayBench& bench, std::optional<RelayProgram>& relay) {
    relay.emplace(bench);
}

// Each event's lane has an owner that is killed while a writer goes on; what the events
// behind it wait longest is the silence of the lanes that it had.
void measure(RelayBench& bench, const char* name, std::size_t instances, int kills) {
    bench.renew_topic(partitions);
    bench.run_sql("TRUNCATE outbox_events");
    Relays relays(instances);
    for (auto& relay : relays) start(bench, relay);
    const auto owned = [&] {
        double all = 0;
        for (const auto& relay : relays) all += relay->total("relay_lane_owned");
        return all;
    };
    const auto shared = [&] {
        for (const auto& relay : relays) {
            if (relay->total("relay_lane_owned") == 0) return false;
        }
        return owned() == lanes;
    };
    if (!e2e::eventually(shared)) throw std::runtime_error("the lanes are not shared");

    constexpr std::size_t most = 1'000'000;
    Latencies latencies{most};
    const CommittedReader reader{
        bench.brokers(),
        bench.topic(),
        partitions,
        [&](std::string_view value, TimePoint now) {
            latencies.arrive(number_of(value), now);
        }};
    EventWriters writers{
        bench,
        {.writers = 4, .rate = rate, .most = most},
        [&](std::size_t number, TimePoint now) { latencies.commit(number, now); }};
    std::vector<double> times;
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(seconds{1});
        (void)latencies.take_longest();
        auto& victim = relays[static_cast<std::size_t>(i) % instances];
        victim->process().kill();
        // By a restart alone: as a supervisor does at once.
        if (instances == 1) start(bench, victim);
        std::this_thread::sleep_for(seconds{3});
        times.push_back(latencies.take_longest());
        if (instances > 1) start(bench, victim);
        if (!e2e::eventually(shared)) throw std::runtime_error("a lane has no owner");
    }
    writers.stop();
    writers.join();
    if (!reader.wait_for(writers.committed(), seconds{30})) {
        throw std::runtime_error("events lack");
    }
    if (reader.count() != writers.committed()) throw std::runtime_error("doubles");
    print(name, times);
}

void measure_idle(RelayBench& bench) {
    bench.renew_topic(partitions);
    bench.run_sql("TRUNCATE outbox_events");
    RelayProgram relay{bench};
    relay.wait_until_ready(lanes);
    std::this_thread::sleep_for(seconds{3});
    const auto before = relay.process().cpu_time();
    constexpr seconds time{20};
    std::this_thread::sleep_for(time);
    const auto worked = relay.process().cpu_time() - before;
    std::printf(
        "idle, %d lanes: %.1f %% of a core, %.0f MiB\n",
        lanes,
        100 * Milliseconds(worked).count() / Milliseconds(time).count(),
        static_cast<double>(relay.process().resident_kib()) / 1024
    );
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    const int kills = argc > 1 ? std::stoi(argv[1]) : 20;
    RelayBench bench{"relay_takeover", partitions};
    bench.print_settings();
    measure_idle(bench);
    measure(bench, "kill -9, a second instance there", 2, kills);
    measure(bench, "kill -9, restarted at once", 1, kills);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_relay_takeover: %s\n", e.what());
    return 1;
}
