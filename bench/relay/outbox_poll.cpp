// SPDX-License-Identifier: MIT
// What a poll of the outbox costs (look and read of postgres::OutboxWindowSource) when
// half a million rows are dead and somebody holds a snapshot, and what the report behind
// it does in a second.
//
// Run:    eval "$(scripts/services env postgres)"; build/release/bench/bench_outbox_poll
// Prints: for each state of the table the time of a poll that finds nothing and of one
//         that finds an event, then the rates of report and removal.

#include "bench/median.hpp"
#include "tests/source_path.hpp"

#include <resilience/delivery_report.hpp>
#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/outbox_delivered_rows.hpp>
#include <resilience/postgres/outbox_window_source.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace resilience;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int dead_rows = 500'000;
constexpr int polls = 2000;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    if (!value || !*value) {
        throw std::runtime_error(std::string{name} + " is not set: scripts/services env");
    }
    return value;
}

postgres::ConnectionOptions server() {
    postgres::ConnectionOptions options;
    options.host = variable("DB_HOST");
    options.port = static_cast<std::uint16_t>(std::stoi(variable("DB_PORT")));
    options.user = variable("DB_USER");
    options.password = variable("DB_PASSWORD");
    options.database = variable("DB_NAME");
    options.query_timeout = std::chrono::minutes{5};
    return options;
}

template <class T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double milliseconds_since(Clock::time_point start) {
    return Milliseconds{Clock::now() - start}.count();
}

std::string insert(int count) {
    return "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
           "event_data, topic, partition_key) SELECT gen_random_uuid(), 'user', i::text, "
           "'user.created', jsonb_build_object('text', repeat('x', 200)), 'users', "
           "i::text FROM generate_series(1, " +
           std::to_string(count) + ") i";
}

class Bench {
public:
    Bench(net::io_context& io, const std::string& schema)
        : io_(io),
          options_(options_of(schema)),
          writer_(io.get_executor(), options_),
          holder_(io.get_executor(), options_),
          source_(io.get_executor(), {.connection = options_}),
          rows_(io.get_executor(), options_) {}

    net::awaitable<void> run() {
        value_of(co_await writer_.async_connect(net::use_awaitable));
        value_of(co_await holder_.async_connect(net::use_awaitable));
        std::ifstream file{
            tests::source_path("migrations/postgres/0002_outbox_events.up.sql")};
        const std::string table{std::istreambuf_iterator<char>{file}, {}};
        value_of(co_await writer_.async_run_script(table, net::use_awaitable));
        identity_ = value_of(co_await source_.identity());
        co_await execute(writer_, insert(1));
        std::printf("%-44s %9s %9s %9s\n", "poll, ms", "p50", "p99", "max");
        co_await measure("empty table");

        co_await execute(holder_, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        co_await execute(holder_, "SELECT count(*) FROM outbox_events");
        for (int i = 0; i < 10; ++i) co_await execute(writer_, insert(dead_rows / 10));
        co_await large_window("first slice of a window of 500,000");
        co_await report();
        co_await measure("500,000 reported, snapshot held");
        co_await remove();
        co_await measure("500,000 dead twice, snapshot held");
        // Of another transaction that is not over.
        co_await execute(holder_, "COMMIT");
        co_await execute(holder_, "BEGIN");
        co_await execute(holder_, insert(1));
        co_await measure("500,000 dead twice, transaction open");
        co_await execute(writer_, insert(25'000));
        co_await large_window("first slice of a window of 25,000");
        co_await execute(holder_, "COMMIT");
        co_await report_without_claims();
    }

private:
    static postgres::ConnectionOptions options_of(const std::string& schema) {
        auto options = server();
        options.extra = {{"options", "-csearch_path=" + schema}};
        return options;
    }

    static net::awaitable<void> execute(
        postgres::Connection& connection, std::string sql
    ) {
        value_of(co_await connection.async_execute(std::move(sql), {}, net::use_awaitable)
        );
    }

    net::awaitable<std::size_t> poll() {
        const auto window = value_of(co_await source_.look());
        const WindowSlice slice{0, seen_, window.snapshot};
        const auto read = value_of(co_await source_.read(slice));
        seen_ = window.snapshot;
        co_return read.size();
    }

    net::awaitable<void> measure(const char* state) {
        co_await poll();
        std::vector<double> idle;
        std::vector<double> busy;
        for (int i = 0; i < polls; ++i) {
            auto start = Clock::now();
            co_await poll();
            idle.push_back(milliseconds_since(start));
            co_await execute(writer_, insert(1));
            start = Clock::now();
            const auto found = co_await poll();
            busy.push_back(milliseconds_since(start));
            if (found != 1)
                throw std::runtime_error("a poll found another number of rows");
        }
        print(state, ", nothing new", std::move(idle));
        print(state, ", one event", std::move(busy));
    }

    static void print(const char* state, const char* what, std::vector<double> times) {
        std::printf(
            "%-44s %9.3f %9.3f %9.3f\n",
            (std::string{state} + what).c_str(),
            bench::median(times),
            bench::quantile(times, 0.99),
            bench::quantile(times, 1)
        );
    }

    net::awaitable<void> large_window(const char* name) {
        const auto window = value_of(co_await source_.look());
        const WindowSlice slice{0, seen_, window.snapshot};
        const auto start = Clock::now();
        const auto read = value_of(co_await source_.read(slice));
        std::printf(
            "%-44s %9.1f ms, %zu rows\n", name, milliseconds_since(start), read.size()
        );
        seen_ = window.snapshot;
    }

    LanePosition position() {
        LanePosition now;
        now.source = identity_;
        now.seen = now.window = seen_;
        now.batch_seq = ++batch_;
        return now;
    }

    net::awaitable<void> report() { co_await settle("reported", {}); }

    net::awaitable<void> remove() {
        co_await settle("removed", {.retention = std::chrono::milliseconds{0}});
    }

    // As where no relay claims: no index says anything of the status.
    net::awaitable<void> report_without_claims() {
        co_await execute(writer_, "TRUNCATE outbox_events");
        co_await execute(
            writer_,
            "DROP INDEX outbox_events_due, outbox_events_claimed, outbox_events_held, "
            "outbox_events_waiting"
        );
        co_await execute(writer_, "ALTER TABLE outbox_events SET (fillfactor = 50)");
        for (int i = 0; i < 10; ++i) co_await execute(writer_, insert(dead_rows / 10));
        seen_ = value_of(co_await source_.look()).snapshot;
        co_await settle("reported, the status in no index", {});
    }

    // Lets a report with default pace deal with the whole table.
    net::awaitable<void> settle(const char* name, DeliveryReportOptions options) {
        DeliveryReport report{io_.get_executor(), rows_, options};
        bool ended = false;
        net::co_spawn(io_, report.run(), [&](std::exception_ptr) { ended = true; });
        const auto start = Clock::now();
        report.found(0, position());
        net::steady_timer timer{io_};
        while (!report.snapshot().caught_up) {
            timer.expires_after(std::chrono::milliseconds{1});
            co_await timer.async_wait(net::use_awaitable);
        }
        const auto took = milliseconds_since(start) / 1e3;
        report.stop();
        while (!ended) {
            timer.expires_after(std::chrono::milliseconds{1});
            co_await timer.async_wait(net::use_awaitable);
        }
        const auto now = report.snapshot();
        const auto rows = static_cast<double>(now.reported + now.removed);
        std::printf("%-44s %9.0f rows/s (%.1f s)\n", name, rows / took, took);
    }

    net::io_context& io_;
    postgres::ConnectionOptions options_;
    postgres::Connection writer_;
    postgres::Connection holder_;
    postgres::OutboxWindowSource source_;
    postgres::OutboxDeliveredRows rows_;
    SourceIdentity identity_;
    std::string seen_;
    std::uint64_t batch_ = 0;
};

// Runs a coroutine to its end; what it throws is thrown.
void run(net::io_context& io, net::awaitable<void> work) {
    std::exception_ptr error;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr thrown) {
        error = thrown;
    });
    io.restart();
    io.run();
    if (error) std::rethrow_exception(error);
}

void run_sql(const std::string& sql) {
    net::io_context io;
    run(io, [&]() -> net::awaitable<void> {
        postgres::Connection connection{io.get_executor(), server()};
        value_of(co_await connection.async_connect(net::use_awaitable));
        value_of(co_await connection.async_execute(sql, {}, net::use_awaitable));
    }());
}

}  // namespace

int main() {
    try {
        const std::string schema = "bench_poll_" + std::to_string(::getpid());
        run_sql("CREATE SCHEMA " + schema);
        std::exception_ptr error;
        try {
            net::io_context io;
            Bench bench{io, schema};
            run(io, bench.run());
        } catch (...) {
            error = std::current_exception();
        }
        run_sql("DROP SCHEMA " + schema + " CASCADE");
        if (error) std::rethrow_exception(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
