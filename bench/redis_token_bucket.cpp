// SPDX-License-Identifier: MIT
// Compares redis::TokenBucketStore with redis-benchmark, both sending the same script to
// the same server over one connection with 256 requests in flight.
//
// Run:    eval "$(scripts/services env redis)";
// build/release/bench/bench_redis_token_bucket Prints: for each load the rate of both and
// their ratio, each the median of five turns.

#include <resilience/redis/token_bucket_store.hpp>

#include <src/redis/bucket_script.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::redis;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t in_flight = 256;
constexpr std::size_t calls = 200'000;
constexpr int turns = 5;

struct Load {
    const char* name;
    std::size_t keys;
    TokenBucketStoreOptions limit;
};

net::awaitable<void> caller(
    TokenBucketStore& store, std::size_t keys, std::size_t& left
) {
    while (left > 0) {
        const auto key = std::to_string(left-- % keys);
        const auto decision = co_await store.async_consume(key, 1, net::use_awaitable);
        if (!decision) throw std::runtime_error(decision.error().message());
    }
}

struct Figures {
    double rate;
    double cpu_us;
};

// Processor time of this process so far.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Figures store_figures(const ConnectionOptions& options, const Load& load) {
    net::io_context io(1);
    Connection connection(io.get_executor(), options);
    TokenBucketStore store(connection, load.limit);
    const auto run = [&](std::size_t count, std::size_t callers) {
        std::size_t left = count;
        std::size_t running = callers;
        for (std::size_t i = 0; i < callers; ++i) {
            net::co_spawn(io, caller(store, load.keys, left), [&](std::exception_ptr e) {
                if (e) std::rethrow_exception(e);
                if (--running == 0) io.stop();
            });
        }
        const auto start = std::chrono::steady_clock::now();
        const auto cpu = cpu_seconds();
        io.restart();
        io.run();
        const Seconds took = std::chrono::steady_clock::now() - start;
        const auto n = static_cast<double>(count);
        return Figures{n / took.count(), (cpu_seconds() - cpu) / n * 1e6};
    };
    run(1, 1);  // connects and loads the script
    return run(calls, in_flight);
}

std::string quoted(const std::string& word) { return "'" + word + "'"; }

// redis-benchmark with the command that the store sends.
double peer_rate(const ConnectionOptions& options, const Load& load) {
    const redis::detail::BucketCodec codec(load.limit);
    const auto key = load.keys == 1 ? std::string("1") : std::string("__rand_int__");
    const BucketRequest request{key, 1};
    const auto wire =
        codec.encode("EVALSHA", redis::detail::BucketMode::each, {&request, 1});
    redis::detail::ReplyReader reader(1 << 20);
    reader.feed(wire.bytes());
    const auto command = reader.next().value();
    std::string line = "redis-benchmark --csv -c 1 -h " + quoted(options.host) + " -p " +
                       std::to_string(options.port) + " -P " + std::to_string(in_flight) +
                       " -n " + std::to_string(calls);
    if (load.keys > 1) line += " -r " + std::to_string(load.keys);
    for (const auto& part : command->elements) line += " " + quoted(part.text);

    std::string output;
    const auto close = [](FILE* pipe) { pclose(pipe); };
    const std::unique_ptr<FILE, decltype(close)> pipe(popen(line.c_str(), "r"), close);
    if (!pipe) throw std::runtime_error("redis-benchmark cannot be started");
    char buffer[512];
    while (fgets(buffer, sizeof buffer, pipe.get()) != nullptr) output += buffer;
    // A heading, then "name","rate",...; the name holds no quotes.
    const auto row = output.find('\n');
    const auto rate = row == std::string::npos ? row : output.find("\",\"", row);
    if (rate == std::string::npos) throw std::runtime_error("redis-benchmark: " + output);
    return std::stod(output.substr(rate + 3));
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void measure(const ConnectionOptions& options, const Load& load) {
    std::vector<double> ours;
    std::vector<double> cpu;
    std::vector<double> theirs;
    for (int turn = 0; turn < turns; ++turn) {
        const auto figures = store_figures(options, load);
        ours.push_back(figures.rate);
        cpu.push_back(figures.cpu_us);
        theirs.push_back(peer_rate(options, load));
    }
    std::printf(
        "%-20s %10.0f/s %14.0f/s %8.2f %8.2f us\n",
        load.name,
        median(ours),
        median(theirs),
        median(ours) / median(theirs),
        median(cpu)
    );
}

}  // namespace

int main() try {
    const char* address = std::getenv("REDIS_ADDR");
    if (address == nullptr) throw std::runtime_error("REDIS_ADDR is not set");
    auto options = with_address(address);
    options.request_timeout = std::chrono::seconds{10};
    options.silence_limit = std::chrono::seconds{10};

    const std::string prefix = "bench:" + std::to_string(std::time(nullptr)) + ":";
    const TokenBucketStoreOptions roomy{
        .tokens = 1'000'000, .burst = 1'000'000'000, .prefix = prefix};
    const TokenBucketStoreOptions tight{
        .tokens = 1,
        .period = std::chrono::hours{1},
        .burst = 1,
        .prefix = prefix + "t:"};
    std::printf(
        "%-20s %12s %16s %8s %11s\n",
        "256 in flight",
        "store",
        "redis-benchmark",
        "ratio",
        "own CPU"
    );
    measure(options, {"admit, 10,000 keys", 10'000, roomy});
    measure(options, {"admit, one key", 1, roomy});
    measure(options, {"refuse, one key", 1, tight});
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_redis_token_bucket: %s\n", e.what());
    return 1;
}
