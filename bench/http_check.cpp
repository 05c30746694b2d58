// SPDX-License-Identifier: MIT
// Compares GET /api/bucket/check of the unified server, its buckets kept in the process,
// with a bare Beast echo server: one thread each, the same load, answers of one size.
//
// Run:    build/release/bench/bench_http_check [turns]
// Prints: requests per second and processor time per request, medians of turns that
//         alternate, and the median of the turns' ratios.
#include "bench/http_load.hpp"
#include "bench/http_servers.hpp"
#include "bench/median.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::bench;

constexpr std::size_t connections = 32;
constexpr std::chrono::milliseconds span{1000};

const std::string request =
    "GET /api/bucket/check?key=user-4711 HTTP/1.1\r\nHost: localhost\r\n"
    "User-Agent: bench\r\nAccept: application/json\r\n\r\n";

struct Contender {
    const char* name;
    std::unique_ptr<ServerThread> server;
    std::vector<double> rates;
    // Microseconds of its thread for each request.
    std::vector<double> costs;

    void turn() {
        const auto cpu = server->cpu_time();
        const auto load = run_load(server->port(), request, connections, span);
        rates.push_back(load.rate());
        costs.push_back(
            1e6 * (server->cpu_time() - cpu).count() / static_cast<double>(load.answers)
        );
    }
};

double median_ratio(const std::vector<double>& above, const std::vector<double>& below) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < above.size(); ++i) {
        ratios.push_back(above[i] / below[i]);
    }
    return median(ratios);
}

}  // namespace

int main(int argc, char** argv) try {
    const int turns = argc > 1 ? std::atoi(argv[1]) : 9;
    std::vector<Contender> all(3);
    all[1] = {"check, a log line each", make_bucket_server(host::LogLevel::info)};
    all[2] = {"check, LOG_LEVEL=warn", make_bucket_server(host::LogLevel::warn)};
    const std::size_t size = size_of_answer(all[1].server->port(), request);
    all[0] = {"bare Beast echo", make_echo_server(size)};

    for (auto& each : all) run_load(each.server->port(), request, connections, span / 2);
    for (int i = 0; i < turns; ++i) {
        for (auto& each : all) each.turn();
    }
    std::printf(
        "%zu connections, answers of %zu bytes, medians of %d turns\n"
        "%-24s %12s %8s %14s %8s\n",
        connections,
        size,
        turns,
        "",
        "requests/s",
        "ratio",
        "CPU us/request",
        "ratio"
    );
    for (auto& each : all) {
        std::printf(
            "%-24s %12.0f %8.2f %14.2f %8.2f\n",
            each.name,
            median(each.rates),
            median_ratio(each.rates, all[0].rates),
            median(each.costs),
            median_ratio(all[0].costs, each.costs)
        );
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_http_check: %s\n", e.what());
    return 1;
}
