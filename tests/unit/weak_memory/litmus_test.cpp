// SPDX-License-Identifier: MIT
#include "unit/weak_memory/sync.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

// What the explorer must find, and must not: the shapes that everybody knows.

using namespace resilience::testing::weak;

namespace {

using Order = std::memory_order;
using Values = std::vector<int>;

/// What the threads of a program may read, by all executions.
class Outcomes {
public:
    template <class Program>
    explicit Outcomes(const Program& program) {
        const Exploration all = explore([&] { found_.insert(program()); });
        CHECK(all.failure == "");
        CHECK(all.complete);
    }

    bool contain(const Values& values) const { return found_.count(values) > 0; }
    std::size_t size() const { return found_.size(); }

private:
    std::set<Values> found_;
};

Outcomes message_passing(Order store, Order load) {
    return Outcomes{[=] {
        Atomic<int> data{0};
        Atomic<int> ready{0};
        Values read(2);
        run(
            {[&] {
                 data.store(1, Order::relaxed);
                 ready.store(1, store);
             },
             [&] {
                 read[0] = ready.load(load);
                 read[1] = data.load(Order::relaxed);
             }}
        );
        return read;
    }};
}

Outcomes store_buffering(Order store, Order load) {
    return Outcomes{[=] {
        Atomic<int> x{0};
        Atomic<int> y{0};
        Values read(2);
        run(
            {[&] {
                 x.store(1, store);
                 read[0] = y.load(load);
             },
             [&] {
                 y.store(1, store);
                 read[1] = x.load(load);
             }}
        );
        return read;
    }};
}

/// Two threads that see two independent writes, perhaps not in the same order.
Outcomes independent_reads(Order store, Order load) {
    return Outcomes{[=] {
        Atomic<int> x{0};
        Atomic<int> y{0};
        Values read(4);
        run(
            {[&] { x.store(1, store); },
             [&] { y.store(1, store); },
             [&] {
                 read[0] = x.load(load);
                 read[1] = y.load(load);
             },
             [&] {
                 read[2] = y.load(load);
                 read[3] = x.load(load);
             }}
        );
        return read;
    }};
}

}  // namespace

TEST_CASE("memory: a relaxed message may arrive before its contents") {
    const Outcomes outcomes = message_passing(Order::relaxed, Order::relaxed);
    CHECK(outcomes.contain({1, 0}));
    CHECK(outcomes.size() == 4);
}

TEST_CASE("memory: one side of release and acquire is not enough") {
    CHECK(message_passing(Order::release, Order::relaxed).contain({1, 0}));
    CHECK(message_passing(Order::relaxed, Order::acquire).contain({1, 0}));
}

TEST_CASE("memory: what was written before a release is seen after its acquire") {
    const Outcomes outcomes = message_passing(Order::release, Order::acquire);
    CHECK_FALSE(outcomes.contain({1, 0}));
    CHECK(outcomes.size() == 3);
}

TEST_CASE("memory: store buffering goes with anything but sequential consistency") {
    CHECK(store_buffering(Order::relaxed, Order::relaxed).contain({0, 0}));
    CHECK(store_buffering(Order::release, Order::acquire).contain({0, 0}));
    CHECK(store_buffering(Order::seq_cst, Order::acquire).contain({0, 0}));
    CHECK(store_buffering(Order::release, Order::seq_cst).contain({0, 0}));
    const Outcomes outcomes = store_buffering(Order::seq_cst, Order::seq_cst);
    CHECK_FALSE(outcomes.contain({0, 0}));
    CHECK(outcomes.size() == 3);
}

TEST_CASE("memory: load buffering does not appear, as in RC11") {
    const Outcomes outcomes{[] {
        Atomic<int> x{0};
        Atomic<int> y{0};
        Values read(2);
        run(
            {[&] {
                 read[0] = x.load(Order::relaxed);
                 y.store(1, Order::relaxed);
             },
             [&] {
                 read[1] = y.load(Order::relaxed);
                 x.store(1, Order::relaxed);
             }}
        );
        return read;
    }};
    CHECK_FALSE(outcomes.contain({1, 1}));
    CHECK(outcomes.size() == 3);
}

TEST_CASE("memory: two reads of one location never go back") {
    const Outcomes outcomes{[] {
        Atomic<int> x{0};
        Values read(2);
        run(
            {[&] {
                 x.store(1, Order::relaxed);
                 x.store(2, Order::relaxed);
             },
             [&] {
                 read[0] = x.load(Order::relaxed);
                 read[1] = x.load(Order::relaxed);
             }}
        );
        return read;
    }};
    CHECK(outcomes.size() == 6);
    CHECK_FALSE(outcomes.contain({1, 0}));
    CHECK_FALSE(outcomes.contain({2, 1}));
    CHECK_FALSE(outcomes.contain({2, 0}));
}

TEST_CASE("memory: two writers may each find their first write the last (2+2W)") {
    const Outcomes outcomes{[] {
        Atomic<int> x{0};
        Atomic<int> y{0};
        run(
            {[&] {
                 x.store(1, Order::release);
                 y.store(2, Order::release);
             },
             [&] {
                 y.store(1, Order::release);
                 x.store(2, Order::release);
             }}
        );
        return Values{x.load(), y.load()};
    }};
    CHECK(outcomes.contain({1, 1}));
    CHECK(outcomes.size() == 4);
}

TEST_CASE("memory: readers disagree about independent writes unless all is consistent") {
    CHECK(independent_reads(Order::relaxed, Order::relaxed).contain({1, 0, 1, 0}));
    CHECK(independent_reads(Order::release, Order::acquire).contain({1, 0, 1, 0}));
    const Outcomes outcomes = independent_reads(Order::seq_cst, Order::seq_cst);
    CHECK_FALSE(outcomes.contain({1, 0, 1, 0}));
    CHECK(outcomes.size() == 15);
}

TEST_CASE("memory: an increment is never lost") {
    const Exploration all = explore([] {
        Atomic<int> x{0};
        const auto increment = [&] {
            x.fetch_add(1, Order::relaxed);
            int seen = x.load(Order::relaxed);
            while (!x.compare_exchange_weak(seen, seen + 1, Order::relaxed)) {
            }
        };
        run({increment, increment, [&] { x.fetch_add(1, Order::relaxed); }});
        demand(x.load() == 5, "all are counted");
    });
    CHECK(all.proves());
}

TEST_CASE("memory: a read and a write are no increment") {
    const Exploration all = explore([] {
        Atomic<int> x{0};
        const auto increment = [&] { x.store(x.load() + 1); };
        run({increment, increment});
        demand(x.load() == 2, "all are counted");
    });
    CHECK(all.failure.find("all are counted") == 0);
}

TEST_CASE("memory: a relaxed read-modify-write carries a release on, a write does not") {
    const auto outcomes = [](bool modify) {
        return Outcomes{[=] {
            Atomic<int> data{0};
            Atomic<int> ready{0};
            Values read(2);
            run(
                {[&] {
                     data.store(1, Order::relaxed);
                     ready.store(1, Order::release);
                 },
                 [&] {
                     if (modify) {
                         ready.fetch_add(1, Order::relaxed);
                     } else if (ready.load(Order::relaxed) == 1) {
                         ready.store(2, Order::relaxed);
                     }
                 },
                 [&] {
                     read[0] = ready.load(Order::acquire);
                     read[1] = data.load(Order::relaxed);
                 }}
            );
            return read;
        }};
    };
    CHECK_FALSE(outcomes(true).contain({2, 0}));
    CHECK(outcomes(true).contain({2, 1}));
    CHECK(outcomes(false).contain({2, 0}));
}

TEST_CASE("memory: a data race is found whatever order its threads take") {
    const auto program = [](Order store, Order load) {
        return explore([=] {
            Plain<int> data{0};
            Atomic<bool> ready{false};
            run(
                {[&] {
                     data.set(1);
                     ready.store(true, store);
                 },
                 [&] {
                     if (ready.load(load)) demand(data.get() == 1, "it is there");
                 }}
            );
        });
    };
    CHECK(program(Order::release, Order::acquire).proves());
    CHECK(program(Order::release, Order::relaxed).failure.find("a data race") == 0);
    CHECK(program(Order::relaxed, Order::acquire).failure.find("a data race") == 0);
}

TEST_CASE("memory: a mutex orders what it guards, and locks that cross are a deadlock") {
    const auto program = [](bool crossed) {
        return explore([=] {
            Mutex a;
            Mutex b;
            Plain<int> data{0};
            const auto add = [&](Mutex& first, Mutex& second) {
                const std::lock_guard one{first};
                const std::lock_guard two{second};
                data.set(data.get() + 1);
            };
            run(
                {[&] { add(a, b); },
                 [&] { crossed ? add(b, a) : add(a, b); },
                 [&] { add(a, b); }}
            );
            if (!crossed) demand(data.get() == 3, "all are counted");
        });
    };
    CHECK(program(false).proves());
    CHECK(program(true).failure.find("all wait for each other") == 0);
}

TEST_CASE("memory: a wake-up before the sleep is lost without a look under the lock") {
    const auto program = [](bool locked) {
        return explore([=] {
            Mutex mutex;
            ConditionVariable changed;
            Atomic<bool> ready{false};
            run(
                {[&] {
                     std::unique_lock lock{mutex};
                     changed.wait(lock, [&] { return ready.load(); });
                 },
                 [&] {
                     if (locked) {
                         const std::lock_guard lock{mutex};
                         ready.store(true);
                     } else {
                         ready.store(true);
                     }
                     changed.notify_one();
                 }}
            );
        });
    };
    CHECK(program(true).proves());
    CHECK(program(false).failure.find("all wait for each other") == 0);
}

TEST_CASE("memory: a wait for a value ends once it has changed and that was told") {
    const auto program = [](bool tells) {
        return explore([=] {
            Atomic<int> x{0};
            run(
                {[&] { x.wait(0, Order::acquire); },
                 [&] {
                     x.store(1, Order::release);
                     if (tells) x.notify_one();
                 }}
            );
        });
    };
    CHECK(program(true).proves());
    CHECK(program(false).failure.find("all wait for each other") == 0);
}

TEST_CASE("memory: all orders of independent threads are one execution") {
    const Exploration all = explore([] {
        Atomic<int> x{0};
        Atomic<int> y{0};
        Atomic<int> z{0};
        const auto work = [](Atomic<int>& a) {
            for (int i = 0; i < 20; ++i) a.fetch_add(1);
        };
        run({[&] { work(x); }, [&] { work(y); }, [&] { work(z); }});
    });
    CHECK(all.proves());
    CHECK(all.executions == 1);
}

TEST_CASE("memory: what the reduction leaves out leads nowhere else") {
    const auto outcomes = [](bool reduces, std::size_t& executions) {
        std::set<Values> found;
        const Exploration all = Explorer{reduces}.explore(
            [&] {
                Atomic<int> x{0};
                Atomic<int> y{0};
                Mutex mutex;
                Values read(3);
                run(
                    {[&] {
                         const std::lock_guard lock{mutex};
                         x.store(1, Order::relaxed);
                         y.store(1, Order::release);
                     },
                     [&] {
                         x.fetch_add(2, Order::relaxed);
                         read[0] = y.load(Order::acquire);
                         read[1] = x.load(Order::relaxed);
                     },
                     [&] {
                         const std::lock_guard lock{mutex};
                         read[2] = x.load(Order::relaxed);
                         y.store(2, Order::relaxed);
                     }}
                );
                read.push_back(x.load());
                read.push_back(y.load());
                found.insert(read);
            },
            1'000'000
        );
        CHECK(all.proves());
        executions = all.executions;
        return found;
    };
    std::size_t few = 0;
    std::size_t many = 0;
    CHECK(outcomes(true, few) == outcomes(false, many));
    CHECK(few < many);
}
