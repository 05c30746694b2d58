// SPDX-License-Identifier: MIT
// From PostgreSQL to Kafka, each event exactly once, while the loops of the lanes are
// killed and replaced all the time.
#include "integration/kafka/cluster.hpp"
#include "integration/postgres/counter_world.hpp"
#include "integration/postgres/counter_writers.hpp"
#include "integration/postgres/window_tools.hpp"

#include <resilience/kafka/lane_producer.hpp>
#include <resilience/lane_relay.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace postgres_tests;
using resilience::LaneRelay;
using resilience::test::Cluster;
using resilience::test::Consumed;

namespace {

net::awaitable<void> pause_for(std::chrono::milliseconds span) {
    const auto executor = co_await net::this_coro::executor;
    net::steady_timer timer(executor, span);
    co_await timer.async_wait(net::use_awaitable);
}

// One instance of one lane.
class Owner {
public:
    Owner(
        net::io_context& context,
        const pg::ConnectionOptions& database,
        const Cluster& cluster,
        const std::string& outbox,
        int lane
    )
        : source_(context.get_executor(), source_options(database)),
          sink_(
              context.get_executor(),
              cluster.options(),
              {.outbox = outbox,
               .lane = lane,
               .lanes = CounterWorld::lanes,
               .transaction_timeout = std::chrono::milliseconds{20'000}}
          ),
          relay_(
              context.get_executor(),
              source_,
              sink_,
              {.lane = lane, .chunk_rows = 40, .chunk_bytes = 4096, .halted_tries = 1}
          ) {
        net::co_spawn(
            context,
            relay_.run(),
            net::bind_cancellation_slot(
                kill_.slot(),
                [this](std::exception_ptr error, const Result<void>& result) {
                    ended_ = true;
                    if (!error && !result) failure_ = result.error();
                }
            )
        );
    }

    void kill() { kill_.emit(net::cancellation_type::terminal); }
    void stop() { relay_.stop(); }
    bool ended() const { return ended_; }
    resilience::LaneRelaySnapshot snapshot() const { return relay_.snapshot(); }

    /// Why it ended, unless it was killed, fenced or stopped.
    std::string complaint() const {
        if (!failure_ || *failure_ == Errc::fenced) return {};
        return failure_->message();
    }

private:
    pg::OutboxWindowSource source_;
    resilience::kafka::LaneProducer sink_;
    LaneRelay relay_;
    net::cancellation_signal kill_;
    bool ended_ = false;
    std::optional<resilience::Failure> failure_;
};

// Starts owners of one lane one after another; kills some, and leaves others to be
// fenced.
struct Chaos {
    net::io_context& context;
    const CounterWorld& world;
    const Cluster& cluster;
    std::string outbox;
    int lane;
    std::mt19937 random;
    std::vector<std::unique_ptr<Owner>> owners{};
    int kills = 0;
    int fenced = 0;
    std::uint64_t in_doubt = 0;

    void start() {
        owners.push_back(
            std::make_unique<Owner>(context, world.options(), cluster, outbox, lane)
        );
    }

    void bury() {
        std::erase_if(owners, [&](const std::unique_ptr<Owner>& owner) {
            if (!owner->ended()) return false;
            CHECK(owner->complaint() == "");
            fenced += owner->snapshot().fences > 0;
            in_doubt += owner->snapshot().doubts;
            return true;
        });
    }

    net::awaitable<void> run(const bool& over) {
        while (!over) {
            start();
            auto& owner = *owners.back();
            for (int i = 0; i < 300 && owner.snapshot().chunks == 0; ++i) {
                co_await pause_for(10ms);
            }
            co_await pause_for(std::chrono::milliseconds{random() % 100});
            if (random() % 3 != 0) {
                owner.kill();
                ++kills;
            }
            bury();
        }
    }

    // The last owner delivers what is left.
    net::awaitable<void> drain() {
        start();
        auto& last = *owners.back();
        const auto now = resilience::Clock::now();
        for (int i = 0; i < 6000; ++i) {
            const auto caught_up = last.snapshot().caught_up;
            if (caught_up && *caught_up > now) break;
            co_await pause_for(10ms);
        }
        CHECK(last.snapshot().is_ready());
        while (!owners.empty()) {
            for (auto& owner : owners) owner->stop();
            co_await pause_for(10ms);
            bury();
        }
    }
};

std::vector<Counted> counted(const std::vector<Consumed>& consumed) {
    std::vector<Counted> list;
    for (const auto& one : consumed) {
        list.push_back({one.headers.at("ce_id"), one.key, one.headers.at("ce_type")});
    }
    return list;
}

// Numbers of each lane, ascending.
std::map<std::string, std::vector<std::uint64_t>> numbers(
    const std::vector<Consumed>& consumed
) {
    std::map<std::string, std::vector<std::uint64_t>> lanes;
    for (const auto& one : consumed) {
        lanes[one.headers.at("lane")].push_back(std::stoull(one.headers.at("lane_seq")));
    }
    for (auto& [lane, list] : lanes) std::ranges::sort(list);
    return lanes;
}

}  // namespace

TEST_CASE("I1 to I8: each event reaches Kafka once, in order, whichever loop is killed") {
    constexpr int writers = 12;
    const CounterWorld world;
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("exactly-once", 3);
    const auto outbox = resilience::test::unique_name("outbox");

    net::io_context context;
    Writers load{world, topic};
    bool over = false;
    int ended = 0;
    std::vector<std::exception_ptr> errors;
    const auto note = [&](std::exception_ptr error) {
        ++ended;
        if (!error) return;
        errors.push_back(error);
        load.stop = over = true;
    };
    std::vector<std::unique_ptr<Chaos>> lanes;
    for (int lane = 0; lane < CounterWorld::lanes; ++lane) {
        lanes.push_back(std::make_unique<Chaos>(Chaos{
            context, world, cluster, outbox, lane, std::mt19937(lane + 1u)}));
    }
    for (unsigned i = 0; i < writers; ++i) {
        net::co_spawn(context, load.write(i + 1), note);
    }
    for (auto& lane : lanes) net::co_spawn(context, lane->run(over), note);
    const auto watch = [&]() -> net::awaitable<void> {
        const auto kills = [&] {
            int sum = 0;
            for (const auto& lane : lanes) sum += lane->kills;
            return sum;
        };
        const auto start = resilience::Clock::now();
        while (!over) {
            co_await pause_for(20ms);
            const auto passed = resilience::Clock::now() - start;
            if (passed > 60s || (passed > 6s && kills() >= 20)) break;
        }
        load.stop = true;
        while (load.open > 0 && errors.empty()) co_await pause_for(5ms);
        over = true;
        while (ended < writers + CounterWorld::lanes) co_await pause_for(5ms);
        for (auto& lane : lanes) co_await lane->drain();
    };
    net::co_spawn(context, watch(), [&](std::exception_ptr error) {
        if (error) errors.push_back(error);
    });
    context.run();
    for (const auto& error : errors) std::rethrow_exception(error);

    std::vector<Counted> committed;
    run(context,
        [&]() -> net::awaitable<void> { committed = co_await world.committed(); }());
    const auto consumed = cluster.consume(topic, committed.size());
    const auto findings = examine(counted(consumed), committed);
    CHECK(findings.lost == 0);
    CHECK(findings.twice == 0);
    CHECK(findings.phantom == 0);
    CHECK(findings.out_of_order == 0);
    for (const auto& [lane, list] : numbers(consumed)) {
        CAPTURE(lane);
        std::vector<std::uint64_t> gapless(list.size());
        std::iota(gapless.begin(), gapless.end(), 1);
        CHECK(list == gapless);
    }
    int kills = 0;
    int fenced = 0;
    std::uint64_t in_doubt = 0;
    for (const auto& lane : lanes) {
        kills += lane->kills;
        fenced += lane->fenced;
        in_doubt += lane->in_doubt;
    }
    MESSAGE(
        committed.size(),
        " events, ",
        kills,
        " kills, ",
        fenced,
        " fenced, ",
        in_doubt,
        " in doubt"
    );
    CHECK(committed.size() > 500);
    CHECK(kills >= 10);
}

TEST_CASE("I3: contents that are stored larger than their text end no window early") {
    const Schema schema{true};
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("dense", 1);
    // Arrays of one digit each: the densest text there is.
    schema.script(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, topic, lane) SELECT gen_random_uuid(), 't', n, 'e', "
        "('[' || repeat('1,', 99) || '1]')::jsonb, '" +
        topic + "', 0 FROM generate_series(1, 200) n"
    );
    net::io_context context;
    pg::OutboxWindowSource source{
        context.get_executor(), source_options(schema.options())};
    resilience::kafka::LaneProducer sink{
        context.get_executor(),
        cluster.options(),
        {.outbox = resilience::test::unique_name("outbox"), .lanes = 1}};
    LaneRelay relay{
        context.get_executor(),
        source,
        sink,
        {.chunk_bytes = 150'000, .read_ahead = true},
        {.committed = [&](const resilience::CommittedChunk& chunk) {
            if (chunk.position.lane_seq == 200) relay.stop();
        }}};
    run(context, [&]() -> net::awaitable<void> {
        const auto ended = co_await relay.run();
        CHECK(ended.has_value());
    }());
    CHECK(relay.snapshot().chunks > 1);
    const auto consumed = cluster.consume(topic, 200);
    CHECK(consumed.size() == 200);
}
