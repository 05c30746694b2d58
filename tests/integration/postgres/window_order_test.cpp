// SPDX-License-Identifier: MIT
// No event lost, none twice, each key in order: by the window cursor, and not by the
// three cursors that are commonly used instead.
#include "counter_world.hpp"
#include "counter_writers.hpp"
#include "window_tools.hpp"
#include "wrong_cursors.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace postgres_tests;

namespace {

net::awaitable<void> count_up(pg::Connection& connection, int key) {
    auto statement = CounterWorld::event(key);
    const auto done = co_await connection.async_execute(
        std::move(statement.sql), std::move(statement.parameters)
    );
    if (!done) FAIL(done.error().message());
}

// Two writers and a reader that looks after each of their steps.
struct Stepped {
    pg::Connection first;
    pg::Connection second;
    LaneReader& reader;

    net::awaitable<void> begin_both() {
        co_await run_all(first, "BEGIN");
        co_await run_all(second, "BEGIN");
    }
    net::awaitable<void> take_xid(pg::Connection& connection) {
        co_await run_all(connection, "SELECT pg_current_xact_id()");
    }
    net::awaitable<void> commit(pg::Connection& connection) {
        co_await run_all(connection, "COMMIT");
        co_await reader.drain();
    }
};

using Interleaving = net::awaitable<void> (*)(Stepped&);

// The second writer takes the later seq and commits first.
net::awaitable<void> later_seq_first(Stepped& step) {
    co_await step.begin_both();
    co_await count_up(step.first, 0);
    co_await count_up(step.second, 2);
    co_await step.commit(step.second);
    co_await step.commit(step.first);
}

// The first to begin writes last, but commits first.
net::awaitable<void> early_xid_commits_first(Stepped& step) {
    co_await step.begin_both();
    co_await step.take_xid(step.first);
    co_await count_up(step.second, 0);
    co_await count_up(step.first, 2);
    co_await step.commit(step.first);
    co_await step.commit(step.second);
}

// The first to begin writes the second event of a key whose first another wrote.
net::awaitable<void> early_xid_writes_last(Stepped& step) {
    co_await step.begin_both();
    co_await step.take_xid(step.first);
    co_await count_up(step.second, 0);
    co_await run_all(step.second, "COMMIT");
    co_await count_up(step.first, 0);
    co_await step.commit(step.first);
}

// Runs the interleaving under a reader of lane 0 and says what the reader did wrong.
Findings follow(Interleaving steps, const Cursor* wrong = nullptr) {
    const CounterWorld world;
    Findings findings;
    run([&](net::io_context& context) -> net::awaitable<void> {
        std::unique_ptr<resilience::WindowSource> source;
        if (wrong) {
            source = std::make_unique<WrongSource>(*wrong, world.options(), 0);
        } else {
            source = std::make_unique<pg::OutboxWindowSource>(
                context.get_executor(), source_options(world.options())
            );
        }
        LaneReader reader{*source, 0};
        auto first = co_await connected(world.options());
        auto second = co_await connected(world.options());
        Stepped step{std::move(first), std::move(second), reader};
        co_await steps(step);
        co_await reader.drain();
        const auto committed = co_await world.committed();
        CHECK(committed.size() == 2);
        findings = examine(reader.delivered, committed);
    });
    return findings;
}

// One reader for each lane, and what all of them delivered.
struct Followers {
    std::vector<std::unique_ptr<resilience::WindowSource>> sources;
    std::vector<std::unique_ptr<LaneReader>> readers;

    void add(
        std::unique_ptr<resilience::WindowSource> source, int lane, std::size_t limit
    ) {
        readers.push_back(std::make_unique<LaneReader>(*source, lane, limit));
        sources.push_back(std::move(source));
    }

    Findings findings(const std::vector<Counted>& committed) const {
        std::vector<Counted> all;
        for (const auto& reader : readers) {
            all.insert(all.end(), reader->delivered.begin(), reader->delivered.end());
        }
        return examine(all, committed);
    }
};

}  // namespace

TEST_CASE("I3, I5: the window cursor survives what the wrong cursors do not") {
    const auto right = [](Interleaving steps) { return follow(steps); };
    CHECK(right(later_seq_first).clean());
    CHECK(right(early_xid_commits_first).clean());
    CHECK(right(early_xid_writes_last).clean());
}

TEST_CASE("I3: `seq > last` loses an event that commits after a later one") {
    CHECK(follow(later_seq_first, &by_seq).lost == 1);
}

TEST_CASE("I3: `seq > last AND xid < xmin` loses one of a transaction that began later") {
    CHECK(follow(early_xid_commits_first, &by_seq_below_xmin).lost == 1);
}

TEST_CASE("I5: `(xid, seq) > last` turns round what an earlier transaction wrote later") {
    const auto findings = follow(early_xid_writes_last, &by_xid_and_seq);
    CHECK(findings.lost == 0);
    CHECK(findings.out_of_order > 0);
}

TEST_CASE("I1 to I5: nothing is lost, twice or out of order under writers of all kinds") {
    constexpr int writers = 12;
    constexpr std::size_t enough = 6000;
    constexpr std::size_t least = 1000;
    const CounterWorld world;
    static constexpr std::array wrong{&by_seq, &by_seq_below_xmin, &by_xid_and_seq};

    net::io_context context;
    Followers right;
    std::array<Followers, 3> mutants;
    for (int lane = 0; lane < CounterWorld::lanes; ++lane) {
        // Few rows at a time and few that are sorted, so that each way to read is taken.
        auto options = source_options(world.options());
        options.most_sorted = lane == 0 ? 4 : 20'000;
        auto source = std::make_unique<pg::OutboxWindowSource>(
            context.get_executor(), std::move(options)
        );
        right.add(std::move(source), lane, lane == 0 ? 2 : 5);
        for (std::size_t i = 0; i < wrong.size(); ++i) {
            mutants[i].add(
                std::make_unique<WrongSource>(*wrong[i], world.options(), lane),
                lane,
                5000
            );
        }
    }

    Writers load{world};
    bool over = false;
    int crashes = 0;
    std::vector<std::exception_ptr> errors;
    const auto note = [&](std::exception_ptr error) {
        if (!error) return;
        errors.push_back(error);
        load.stop = over = true;
    };
    const auto follow_until_over = [&](LaneReader& reader,
                                       unsigned seed) -> net::awaitable<void> {
        std::mt19937 random{seed};
        while (!over) {
            const bool crash = seed != 0 && random() % 5 == 0;
            crashes += crash;
            (void)co_await reader.step(crash);
        }
    };
    unsigned seed = 1;
    for (int i = 0; i < writers; ++i) {
        net::co_spawn(context, load.write(++seed), note);
    }
    for (auto& reader : right.readers) {
        net::co_spawn(context, follow_until_over(*reader, ++seed), note);
    }
    for (auto& mutant : mutants) {
        for (auto& reader : mutant.readers) {
            net::co_spawn(context, follow_until_over(*reader, 0), note);
        }
    }
    // About ten seconds, and longer on a machine that has no time for this test.
    const auto watch = [&]() -> net::awaitable<void> {
        net::steady_timer timer{context};
        while (!over && load.open < writers) {
            timer.expires_after(5ms);
            co_await timer.async_wait(net::use_awaitable);
        }
        const auto start = std::chrono::steady_clock::now();
        std::size_t delivered = 0;
        while (!over && delivered < enough) {
            const auto passed = std::chrono::steady_clock::now() - start;
            if (passed > (delivered < least ? 90s : 10s)) break;
            timer.expires_after(20ms);
            co_await timer.async_wait(net::use_awaitable);
            delivered = 0;
            for (auto& reader : right.readers) delivered += reader->delivered.size();
        }
        load.stop = true;
        while (load.open > 0 && errors.empty()) {
            timer.expires_after(5ms);
            co_await timer.async_wait(net::use_awaitable);
        }
        over = true;
    };
    net::co_spawn(context, watch(), note);
    context.run();
    for (const auto& error : errors) std::rethrow_exception(error);

    run(context, [&]() -> net::awaitable<void> {
        const auto committed = co_await world.committed();
        for (auto& reader : right.readers) co_await reader->drain();
        for (auto& mutant : mutants) {
            for (auto& reader : mutant.readers) co_await reader->drain();
        }
        const auto findings = right.findings(committed);
        MESSAGE(
            committed.size(),
            " events, ",
            crashes,
            " crashes, ",
            load.prepared,
            " prepared transactions"
        );
        CHECK(findings.lost == 0);
        CHECK(findings.twice == 0);
        CHECK(findings.phantom == 0);
        CHECK(findings.out_of_order == 0);
        CHECK(committed.size() >= least);
        CHECK(crashes > 0);
        CHECK(load.prepared > 0);
        for (std::size_t i = 0; i < wrong.size(); ++i) {
            CAPTURE(wrong[i]->name);
            const auto caught = mutants[i].findings(committed);
            MESSAGE(
                wrong[i]->name,
                ": lost ",
                caught.lost,
                ", out of order ",
                caught.out_of_order
            );
            CHECK_FALSE(caught.clean());
        }
        CHECK(mutants[0].findings(committed).lost > 0);
        CHECK(mutants[1].findings(committed).lost > 0);
        CHECK(mutants[2].findings(committed).lost == 0);
    }());
}
