// SPDX-License-Identifier: MIT
#include "integration/kafka/consumer_world.hpp"
#include "integration/kafka/private_broker.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using namespace resilience;
using namespace resilience::test;
using kafka::Rebalance;

namespace {

// What members were told of their partitions.
class Told {
public:
    kafka::RebalanceHook hook(int member) {
        return [this, member](Rebalance kind, const auto& partitions) {
            const std::lock_guard lock(mutex_);
            counts_[{member, kind}] += partitions.size();
        };
    }
    std::size_t count(int member, Rebalance kind) {
        const std::lock_guard lock(mutex_);
        return counts_[{member, kind}];
    }

private:
    std::mutex mutex_;
    std::map<std::pair<int, Rebalance>, std::size_t> counts_;
};

// Polls both until each has so many partitions; what comes on the way is kept.
void share(
    ConsumerWorld& world,
    kafka::Consumer& one,
    kafka::Consumer& two,
    std::size_t partitions,
    std::vector<kafka::Record>* kept = nullptr
) {
    const auto deadline = Clock::now() + 60s;
    while (one.snapshot().partitions != partitions ||
           two.snapshot().partitions != partitions) {
        REQUIRE(Clock::now() < deadline);
        for (auto* member : {&one, &two}) {
            auto records = world.poll(*member, 100, 100ms);
            REQUIRE(records.has_value());
            for (auto& record : *records) {
                if (kept) kept->push_back(std::move(record));
            }
        }
    }
}

}  // namespace

TEST_CASE("two members share the partitions, and commits of what went are refused") {
    for (const char* strategy : {"range", "cooperative-sticky"}) {
        CAPTURE(strategy);
        ConsumerWorld world(2);
        world.options.settings = {{"partition.assignment.strategy", strategy}};
        Told told;
        world.options.on_rebalance = told.hook(1);
        const auto first = world.member();
        world.write("a", 0);
        world.write("b", 1);
        const auto early = world.read(*first, 2);
        REQUIRE(early.size() == 2);
        CHECK(told.count(1, Rebalance::assigned) == 2);

        world.options.on_rebalance = told.hook(2);
        const auto second = world.member();
        std::vector<kafka::Record> again;
        share(world, *first, *second, 1, &again);
        CHECK(told.count(1, Rebalance::revoked) >= 1);
        CHECK(told.count(2, Rebalance::assigned) == 1);
        CHECK(first->snapshot().losses == 0);

        // One of the two partitions is the second member's now, which has its record.
        const auto refused = world.commit(*first, early);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == Errc::fenced);

        // When the first one goes the second has all, and what was not committed again:
        // that is each record, unless its partition stayed where it was.
        const std::size_t left = std::string{strategy} == "range" ? 4 : 3;
        REQUIRE(run(world.io, first->close()).has_value());
        world.write("c", 0);
        world.write("d", 1);
        std::set<std::string> seen;
        for (const auto& record : again) seen.insert(*record.value);
        const auto deadline = Clock::now() + 60s;
        while (seen.size() < left && Clock::now() < deadline) {
            const auto records = world.poll(*second, 100, 200ms);
            REQUIRE(records.has_value());
            for (const auto& record : *records) seen.insert(*record.value);
        }
        CHECK(seen.size() == left);
        CHECK(second->snapshot().partitions == 2);
    }
}

TEST_CASE("a member that does not poll loses its partitions and its commits are refused"
) {
    ConsumerWorld world;
    world.options.max_poll_interval = 6s;
    world.options.commit_timeout = 1s;
    Told told;
    world.options.on_rebalance = told.hook(1);
    const auto slow = world.member();
    world.write("a");
    const auto held = world.read(*slow, 1);
    REQUIRE(held.size() == 1);
    const auto other = world.member();
    // The group gives it to the other one after the interval.
    const auto taken = world.read(*other, 1);
    CHECK(values(taken) == Texts{"a"});
    const auto refused = world.commit(*slow, held);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == Errc::fenced);
    REQUIRE(world.commit(*other, taken).has_value());
    // It is a member again with its next polls.
    const auto deadline = Clock::now() + 60s;
    while (slow->snapshot().losses == 0 && Clock::now() < deadline) {
        REQUIRE(world.poll(*slow, 100, 100ms).has_value());
    }
    CHECK(told.count(1, Rebalance::lost) == 1);
    REQUIRE(run(world.io, other->close()).has_value());
    world.write("b");
    CHECK(world.drain(*slow, 1) == Texts{"b"});
}

TEST_CASE("a member whose name another one takes is fenced, and stays so") {
    ConsumerWorld world;
    world.options.settings = {{"group.instance.id", "one"}};
    const auto first = world.member();
    world.write("a");
    CHECK(world.drain(*first, 1) == Texts{"a"});
    const auto second = world.member();
    world.write("b");
    CHECK(world.drain(*second, 1) == Texts{"b"});
    const auto deadline = Clock::now() + 60s;
    auto refused = world.poll(*first, 100, 100ms);
    while (refused && Clock::now() < deadline) {
        if (!refused->empty()) {
            // It does not know yet.
            const auto done = world.commit(*first, *refused);
            REQUIRE_FALSE(done.has_value());
            CHECK(done.error() == Errc::fenced);
        }
        refused = world.poll(*first, 100, 100ms);
    }
    for (int i = 0; i < 2; ++i) {
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == Errc::fenced);
        refused = world.poll(*first, 100, 100ms);
    }
}

TEST_CASE("a member that is destroyed tells nobody of the partitions it gives back") {
    Told told;
    {
        ConsumerWorld world;
        world.options.on_rebalance = told.hook(1);
        world.write("a");
        CHECK(world.read(*world.member(), 1).size() == 1);
    }
    CHECK(told.count(1, Rebalance::assigned) == 1);
    CHECK(told.count(1, Rebalance::revoked) == 0);
}

TEST_CASE("a member outlives the death of its broker") {
    PrivateBroker broker;
    ConsumerWorld world(1, broker.cluster());
    world.options.commit_timeout = 1s;
    const auto member = world.member();
    world.write("a");
    const auto records = world.read(*member, 1);
    REQUIRE(records.size() == 1);
    broker.kill();
    const auto alone = world.poll(*member, 100, 3s);
    REQUIRE_FALSE(alone.has_value());
    CHECK(alone.error() == Errc::unavailable);
    const auto unanswered = world.commit(*member, records);
    REQUIRE_FALSE(unanswered.has_value());
    CHECK(unanswered.error() == Errc::timed_out_in_doubt);
    broker.start();
    world.write("b");
    // Nothing was committed as far as it knows, so it may see the first one again.
    Texts seen;
    while (seen.empty() || seen.back() != "b") {
        auto more = world.poll(*member, 100, 30s);
        if (!more) {
            CHECK(more.error() == Errc::unavailable);
            continue;
        }
        REQUIRE_FALSE(more->empty());
        for (auto& value : values(*more)) seen.push_back(std::move(value));
        (void)world.commit(*member, *more);
    }
    CHECK(seen.size() <= 2);
}

TEST_CASE("a member whose broker is gone is closed in bounded time") {
    PrivateBroker broker;
    ConsumerWorld world(1, broker.cluster());
    world.options.close_timeout = 1s;
    const auto member = world.member();
    world.write("a");
    REQUIRE(world.read(*member, 1).size() == 1);
    broker.pause();
    const auto closed = run(world.io, member->close());
    // It need not know that nobody hears it.
    if (!closed) CHECK(closed.error() == Errc::timed_out);
    CHECK(member->snapshot().partitions == 0);
    broker.resume();
}
