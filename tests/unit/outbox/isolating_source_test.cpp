// SPDX-License-Identifier: MIT
#include "src/outbox/isolating_source.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using resilience::detail::IsolatingSource;

namespace {

// A table of rows, one for each key, that refuses what `refuses` says.
struct Table : ClaimSource {
    enum Change { to_processing, to_settled, to_failed };

    explicit Table(int rows) {
        for (int seq = 1; seq <= rows; ++seq) status[seq] = "NEW";
    }

    std::map<std::int64_t, std::string> status;
    std::function<bool(std::int64_t, Change)> refuses = [](auto, auto) { return false; };
    std::optional<Failure> down;
    Errc refusal_kind = Errc::invalid_request;
    // Made after this number of calls.
    int calls = 0;
    int down_after = 1'000'000;
    std::vector<std::int64_t> left_out;
    std::map<std::int64_t, std::string> errors;

    std::vector<std::int64_t> due(std::size_t limit) const {
        std::vector<std::int64_t> rows;
        for (const auto& [seq, state] : status) {
            const bool passed = std::ranges::count(left_out, seq) > 0;
            if (state == "NEW" && !passed && rows.size() < limit) rows.push_back(seq);
        }
        return rows;
    }
    std::optional<Failure> refusal(const std::vector<std::int64_t>& rows, Change change) {
        if (++calls > down_after) return fail(Errc::connection_lost);
        for (const auto seq : rows) {
            if (refuses(seq, change)) {
                return fail(refusal_kind, "row " + std::to_string(seq));
            }
        }
        return std::nullopt;
    }

    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit) override {
        const auto rows = due(limit);
        if (auto failure = refusal(rows, to_processing)) co_return *failure;
        std::vector<ClaimedEvent> events;
        for (const auto seq : rows) {
            status[seq] = "PROCESSING";
            events.push_back({.seq = seq});
        }
        co_return events;
    }
    net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) override {
        std::vector<std::int64_t> rows;
        bool failed = false;
        for (const auto& settlement : settlements) {
            rows.push_back(settlement.seq);
            failed = settlement.disposition == Disposition::failed;
        }
        if (auto failure = refusal(rows, failed ? to_failed : to_settled))
            co_return *failure;
        for (const auto& settlement : settlements) {
            status[settlement.seq] = failed ? "FAILED" : "settled";
            errors[settlement.seq] = settlement.error;
        }
        co_return Result<void>{};
    }
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds) override {
        co_return std::int64_t{0};
    }
    net::awaitable<Result<Depth>> depth() override { co_return Depth{}; }
    net::awaitable<Result<Probe>> probe() override {
        const auto rows = due(1);
        Probe found;
        if (!rows.empty()) found.seq = rows.front();
        found.refusal = refusal(rows, to_processing);
        if (found.refusal && !blames_rows(*found.refusal)) co_return *found.refusal;
        co_return found;
    }
    void leave_out(std::vector<std::int64_t> rows) override {
        left_out = std::move(rows);
    }
    net::awaitable<Result<void>> give_up(std::int64_t row, std::string error) override {
        if (auto failure = refusal({row}, to_failed)) co_return *failure;
        status[row] = "FAILED";
        errors[row] = std::move(error);
        co_return Result<void>{};
    }

    long count(const std::string& state) const {
        return std::ranges::count_if(status, [&](const auto& row) {
            return row.second == state;
        });
    }
};

struct World {
    explicit World(int rows) : table(rows) {}

    template <class T>
    T run(net::awaitable<T> work) {
        std::optional<T> result;
        net::co_spawn(io, std::move(work), [&](std::exception_ptr error, T value) {
            if (error) std::rethrow_exception(error);
            result.emplace(std::move(value));
        });
        io.restart();
        io.run();
        return std::move(*result);
    }
    IsolatingSource::Claim claim(std::size_t limit) { return run(source.claim(limit)); }
    // Claims until nothing more comes; gives the first failure.
    std::optional<Failure> claim_all(std::size_t limit) {
        for (;;) {
            auto claimed = claim(limit);
            isolated.failed += claimed.isolated.failed;
            isolated.skipped += claimed.isolated.skipped;
            if (!claimed.events) return claimed.events.error();
            if (claimed.events->empty()) return std::nullopt;
        }
    }
    IsolatingSource::Settling settle(Disposition disposition) {
        std::vector<Settlement> verdicts;
        for (const auto& [seq, state] : table.status)
            verdicts.push_back({seq, disposition});
        return run(source.settle(std::move(verdicts)));
    }

    net::io_context io;
    Table table;
    IsolatingSource source{table};
    IsolatingSource::Isolated isolated;
};

auto refuse(std::vector<std::int64_t> rows, std::vector<Table::Change> changes) {
    return [rows, changes](std::int64_t seq, Table::Change change) {
        return std::ranges::count(rows, seq) > 0 &&
               std::ranges::count(changes, change) > 0;
    };
}

using enum Table::Change;

}  // namespace

TEST_CASE("O7: verdicts that are refused become FAILED alone, and the others are settled"
) {
    World world(100);
    world.table.refuses = refuse({1, 50, 51, 100}, {to_settled});
    const auto done = world.settle(Disposition::sent);
    CHECK_FALSE(done.failure);
    CHECK(done.left.empty());
    CHECK(done.settled.size() == 96);
    CHECK(done.isolated.failed == 4);
    CHECK(world.table.count("settled") == 96);
    CHECK(world.table.errors[50].ends_with(": row 50"));
    // Far fewer than one for each row.
    CHECK(world.table.calls < 60);
}

TEST_CASE("O7: a verdict that is refused in every form is skipped") {
    World world(10);
    world.table.refuses = refuse({4}, {to_settled, to_failed});
    const auto done = world.settle(Disposition::sent);
    CHECK_FALSE(done.failure);
    CHECK(done.settled.size() == 9);
    CHECK(done.isolated.skipped == 1);
    CHECK(done.isolated.refusal.ends_with("row 4"));
}

TEST_CASE("O7: a table that takes no verdict is down, and nothing undelivered is FAILED"
) {
    for (const auto disposition : {Disposition::released, Disposition::retry}) {
        World world(100);
        world.table.refuses = [](auto, auto change) { return change == to_settled; };
        const auto done = world.settle(disposition);
        REQUIRE(done.failure);
        CHECK(world.table.count("FAILED") == 0);
        CHECK(done.settled.empty());
        CHECK(done.isolated.skipped == 16);
        CHECK(done.left.size() == 84);
        CHECK(world.table.calls < 60);
    }
}

TEST_CASE("O7: verdicts that are not decided when the source goes down are kept") {
    for (int after = 0; after < 12; ++after) {
        World world(8);
        world.table.refuses = refuse({3}, {to_settled});
        world.table.down_after = after;
        const auto done = world.settle(Disposition::sent);
        CHECK(done.settled.size() + done.left.size() + done.isolated.failed == 8);
        CHECK(done.failure.has_value() == !done.left.empty());
        for (const auto& verdict : done.left) {
            CHECK(verdict.disposition == Disposition::sent);
            CHECK(world.table.status[verdict.seq] == "NEW");
        }
    }
}

TEST_CASE("O7: rows that cannot be claimed become FAILED, the others are claimed") {
    for (const auto& guilty : std::vector<std::vector<std::int64_t>>{
             {1}, {7}, {100}, {1, 2, 3}, {40, 41, 90}}) {
        World world(100);
        world.table.refuses = refuse(guilty, {to_processing});
        (void)world.claim_all(10);
        (void)world.claim_all(10);
        const auto count = static_cast<long>(guilty.size());
        CHECK(world.table.count("PROCESSING") == 100 - count);
        CHECK(world.table.count("FAILED") == count);
        CHECK(world.isolated.failed == guilty.size());
        CHECK(world.isolated.skipped == 0);
    }
}

TEST_CASE("O7: a row that can neither be claimed nor FAILED is passed over until forget"
) {
    World world(10);
    world.table.refuses = refuse({3}, {to_processing, to_failed});
    CHECK_FALSE(world.claim_all(4));
    CHECK(world.table.count("PROCESSING") == 9);
    CHECK(world.isolated.skipped == 1);
    world.table.refuses = [](auto, auto) { return false; };
    CHECK(world.claim(10).events->empty());
    world.source.forget();
    CHECK(world.claim(10).events->size() == 1);
}

TEST_CASE("O7: no row is FAILED by a table that lets none be claimed") {
    for (const int rows : {1, 10, 1000}) {
        World world(rows);
        world.table.refuses = [](auto, auto change) { return change == to_processing; };
        const auto failure = world.claim_all(100);
        CHECK(failure.has_value() == (rows > 64));
        CHECK(world.table.count("FAILED") == 0);
        CHECK(world.table.calls < 300);
        // All are there once the table works.
        world.table.refuses = [](auto, auto) { return false; };
        world.source.forget();
        CHECK_FALSE(world.claim_all(100));
        CHECK(world.table.count("PROCESSING") == rows);
    }
}

TEST_CASE(
    "O7: a row is not FAILED for a failure that has passed when it is looked at again"
) {
    World world(3);
    int refusals = 0;
    // The claims and the first probe find the table closed.
    world.table.refuses = [&](auto, auto change) {
        return change == to_processing && ++refusals <= 3;
    };
    auto claimed = world.claim(2);
    CHECK(claimed.isolated.failed == 0);
    CHECK_FALSE(world.claim_all(2));
    CHECK(world.table.count("PROCESSING") == 3);
}

TEST_CASE(
    "O7: a source that goes down while a row is isolated is down, and nothing is lost"
) {
    for (int after = 0; after < 20; ++after) {
        World world(4);
        world.table.refuses = refuse({2}, {to_processing});
        world.table.down_after = after;
        (void)world.claim_all(4);
        world.table.down_after = 1'000'000;
        (void)world.claim_all(4);
        CHECK(world.table.count("PROCESSING") == 3);
        CHECK(world.table.status[2] == "FAILED");
        CHECK(world.table.left_out.empty());
    }
}

TEST_CASE("O7: a source whose table is missing is down, and no row is blamed for it") {
    World world(100);
    CHECK(world.claim(1).events->size() == 1);
    world.table.refuses = [](auto, auto) { return true; };
    world.table.refusal_kind = Errc::bad_destination;
    world.table.calls = 0;
    CHECK(*world.claim_all(100) == Errc::bad_destination);
    CHECK(world.table.calls == 1);
    const auto done = world.settle(Disposition::sent);
    REQUIRE(done.failure);
    CHECK(*done.failure == Errc::bad_destination);
    CHECK(done.left.size() == 100);
    CHECK(world.isolated.failed + world.isolated.skipped == 0);
    CHECK(done.isolated.failed + done.isolated.skipped == 0);
    CHECK(world.table.calls == 2);
    CHECK(world.table.count("FAILED") == 0);
}
