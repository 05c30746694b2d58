// SPDX-License-Identifier: MIT
// Measures what one lane commits to Kafka beside a bare transactional producer, which
// does nothing but begin, produce and commit: 300 bytes an event, both on the same topic,
// in turns.
//
// Run:    eval "$(scripts/services env kafka)"; bench_kafka_lane [rounds, 10 or more]
// Prints: for one event per transaction the quantiles of a commit, by the pause before
// it;
//         for 5,000 the events per second.
#include "bench/median.hpp"
#include "bench/relay/bare_producer.hpp"

#include <resilience/kafka/lane_producer.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace resilience;
using bench::BareProducer;
using std::chrono::milliseconds;
using Seconds = std::chrono::duration<double>;

const std::string payload = R"({"text":")" + std::string(288, 'x') + R"("})";

struct Server {
    std::string brokers;
    std::string topic;
};

class Lane {
public:
    explicit Lane(const Server& server)
        : topic_(server.topic),
          owner_(std::make_unique<kafka::LaneProducer>(
              io_.get_executor(),
              kafka::ProducerOptions{.brokers = server.brokers},
              kafka::LaneProducerOptions{.outbox = "bench-" + server.topic}
          )) {
        if (const auto taken = run(owner_->take_over()); !taken) {
            throw std::runtime_error(taken.error().message());
        }
    }

    void prepare(std::size_t count) {
        rows_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            const std::string user = "user-" + std::to_string(i % 1000);
            WindowEvent row;
            row.event = {
                .id = "018f0000-0000-7000-8000-000000000001",
                .aggregate_type = "user",
                .aggregate_id = user,
                .event_type = "user.created",
                .event_data = payload,
                .topic = topic_};
            rows_.push_back(std::move(row));
        }
    }

    void commit() {
        auto next = last_;
        next.seen = "100:100:";
        next.window = "100:120:103,105";
        next.lane_seq += rows_.size();
        ++next.batch_seq;
        const auto done = run(owner_->commit(rows_, next));
        if (!done) throw std::runtime_error(done.error().message());
        last_ = next;
    }

    TimePoint ready_at() const { return owner_->ready_at(); }
    kafka::LaneProducerSnapshot snapshot() const { return owner_->snapshot(); }

private:
    template <class T>
    T run(net::awaitable<T> work) {
        std::optional<T> result;
        net::co_spawn(io_, std::move(work), [&](std::exception_ptr error, T value) {
            if (error) std::rethrow_exception(error);
            result.emplace(std::move(value));
        });
        io_.restart();
        io_.run();
        return std::move(*result);
    }

    std::string topic_;
    net::io_context io_{1};
    std::unique_ptr<kafka::LaneProducer> owner_;
    std::vector<WindowEvent> rows_;
    LanePosition last_;
};

void print_latency(
    const std::string& name,
    int rounds,
    const std::function<void()>& wait,
    const std::function<void()>& commit
) {
    for (int i = 0; i < 20; ++i) commit();
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
        wait();
        const auto began = Clock::now();
        commit();
        times.push_back(1e3 * Seconds(Clock::now() - began).count());
    }
    std::printf(
        "%-34s p50 %6.2f  p90 %6.2f  p99 %6.2f  max %6.2f ms\n",
        name.c_str(),
        bench::median(times),
        bench::quantile(times, 0.9),
        bench::quantile(times, 0.99),
        bench::quantile(times, 1)
    );
    std::fflush(stdout);
}

void print_rate(
    const char* name, int rounds, std::size_t count, const std::function<void()>& commit
) {
    for (int i = 0; i < 3; ++i) commit();
    std::vector<double> times;
    const auto began = Clock::now();
    for (int i = 0; i < rounds; ++i) {
        const auto start = Clock::now();
        commit();
        times.push_back(1e3 * Seconds(Clock::now() - start).count());
    }
    const double total = Seconds(Clock::now() - began).count();
    std::printf(
        "%-34s %8.0f events/s  p50 %6.2f ms\n",
        name,
        static_cast<double>(count) * rounds / total,
        bench::median(times)
    );
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
    if (rounds < 10) throw std::invalid_argument("rounds: at least 10");
    const char* brokers = std::getenv("KAFKA_BROKERS");
    if (!brokers) throw std::runtime_error("KAFKA_BROKERS is not set");
    const Server server{
        brokers,
        "bench_kafka_lane_" +
            std::to_string(WallClock::now().time_since_epoch().count())};
    std::printf("librdkafka %s\n", rd_kafka_version_str());
    BareProducer bare{server.brokers, server.topic};
    Lane lane(server);
    const auto one_bare = [&] { bare.commit(1, {payload}); };
    const auto one = [&] { lane.commit(); };
    lane.prepare(1);
    for (const int pause : {0, 1, 2, 3, 5, 40}) {
        const auto after = "1 event after " + std::to_string(pause) + " ms, ";
        const int count = pause < 10 ? rounds : rounds / 5;
        const auto wait = [pause] {
            if (pause > 0) std::this_thread::sleep_for(milliseconds{pause});
        };
        print_latency(after + "bare", count, wait, one_bare);
        print_latency(after + "lane", count, wait, one);
    }
    const auto rest = [&] { std::this_thread::sleep_until(lane.ready_at()); };
    print_latency("1 event when the lane is ready", rounds, rest, one);
    constexpr std::size_t many = 5000;
    lane.prepare(many);
    for (int i = 0; i < 3; ++i) {
        print_rate("5,000 events, bare", rounds / 10, many, [&] {
            bare.commit(many, {payload});
        });
        print_rate("5,000 events, lane", rounds / 10, many, one);
    }
    const auto snapshot = lane.snapshot();
    std::printf(
        "take-over %.1f ms, %llu commits, %llu suspicions, %llu put off\n",
        1e3 * Seconds(snapshot.last_take_over).count(),
        static_cast<unsigned long long>(snapshot.commits),
        static_cast<unsigned long long>(snapshot.suspicions),
        static_cast<unsigned long long>(snapshot.put_offs)
    );
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench_kafka_lane: %s\n", e.what());
    return 1;
}
