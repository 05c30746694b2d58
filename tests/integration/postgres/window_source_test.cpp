// SPDX-License-Identifier: MIT
#include "contracts/window_source.hpp"
#include "window_tools.hpp"

#include <resilience/outbox.hpp>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace postgres_tests;
using resilience::Lsn;
using resilience::WindowSlice;

namespace {

class Fixture : public contract::WindowSourceFixture {
public:
    explicit Fixture(std::int64_t most_sorted = 20'000)
        : schema_(true), most_sorted_(most_sorted) {}

    std::unique_ptr<resilience::WindowSource> make_source() override {
        auto options = source_options(schema_.options());
        options.most_sorted = most_sorted_;
        return std::make_unique<pg::OutboxWindowSource>(
            context_.get_executor(), std::move(options)
        );
    }
    std::unique_ptr<Writer> begin() override {
        return std::make_unique<Session>(context_, schema_.options());
    }
    net::io_context& context() override { return context_; }

private:
    class Session : public Writer {
    public:
        Session(net::io_context& context, pg::ConnectionOptions options)
            : context_(context), connection_(context.get_executor(), std::move(options)) {
            REQUIRE(ok(contract::run(context_, open())));
            script("BEGIN");
        }
        void append(const resilience::Event& event, int lane) override {
            const auto row = resilience::Outbox{}.prepare(event);
            REQUIRE(row.has_value());
            auto values = pg::parameters(
                event.id,
                event.aggregate_type,
                event.aggregate_id,
                event.event_type,
                event.event_data,
                event.topic,
                event.partition_key,
                lane,
                row->headers_json
            );
            auto done = contract::run(
                context_,
                execute(
                    "INSERT INTO outbox_events (id, aggregate_type, "
                    "aggregate_id, event_type, event_data, topic, "
                    "partition_key, lane, headers) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    std::move(values)
                )
            );
            REQUIRE(ok(done));
        }
        void commit() override { script("COMMIT"); }
        void roll_back() override { script("ROLLBACK"); }

    private:
        void script(std::string sql) {
            REQUIRE(ok(contract::run(context_, execute(std::move(sql), {}))));
        }
        net::awaitable<Result<void>> open() {
            co_return co_await connection_.async_connect(net::use_awaitable);
        }
        net::awaitable<Result<pg::Rows>> execute(
            std::string sql, std::vector<pg::Parameter> values
        ) {
            co_return co_await connection_.async_execute(
                std::move(sql), std::move(values)
            );
        }

        net::io_context& context_;
        pg::Connection connection_;
    };

    net::io_context context_;
    Schema schema_;
    std::int64_t most_sorted_;
};

}  // namespace

TEST_CASE("windows: the PostgreSQL source keeps the contract of window sources") {
    const auto make = [] { return std::make_unique<Fixture>(); };
    SUBCASE("windows") { contract::check_windows(make); }
    SUBCASE("slices") { contract::check_slices(make); }
    SUBCASE("refusals") { contract::check_window_refusals(make); }
}

TEST_CASE("windows: and when a window is too large to be sorted") {
    const auto make = [] { return std::make_unique<Fixture>(1); };
    SUBCASE("windows") { contract::check_windows(make); }
    SUBCASE("slices") { contract::check_slices(make); }
}

TEST_CASE("windows: an option out of range is refused by its name") {
    net::io_context context;
    const auto make = [&](pg::OutboxWindowSourceOptions options) {
        const pg::OutboxWindowSource source{context.get_executor(), std::move(options)};
    };
    CHECK_THROWS_AS(make({.max_connections = 0}), std::invalid_argument);
    CHECK_THROWS_AS(make({.most_sorted = 0}), std::invalid_argument);
    CHECK_THROWS_AS(make({.most_sorted = 1'000'001}), std::invalid_argument);
}

TEST_CASE("I5: a sequence that hands numbers out ahead is refused with what to do") {
    const Schema schema{true};
    const auto refusal_after = [&](const std::string& sql) {
        schema.script(sql);
        std::string detail;
        run([&](net::io_context& context) -> net::awaitable<void> {
            pg::OutboxWindowSource source{
                context.get_executor(), source_options(schema.options())};
            const auto identity = co_await source.identity();
            REQUIRE_FALSE(identity.has_value());
            CHECK(identity.error() == Errc::bad_destination);
            detail = identity.error().detail;
            const auto window = co_await source.look();
            REQUIRE_FALSE(window.has_value());
            CHECK(window.error().detail == detail);
        });
        return detail;
    };
    const auto detail =
        refusal_after("ALTER TABLE outbox_events ALTER COLUMN seq SET CACHE 20");
    CHECK(detail.find("has CACHE 20") != std::string::npos);
    CHECK(detail.find("SET CACHE 1") != std::string::npos);
    CHECK(
        refusal_after("ALTER TABLE outbox_events ALTER COLUMN seq SET CACHE 1 "
                      "SET CYCLE")
            .find("does not only ascend") != std::string::npos
    );
    CHECK(
        refusal_after("ALTER TABLE outbox_events ALTER COLUMN seq DROP IDENTITY")
            .find("no sequence") != std::string::npos
    );
    CHECK(
        refusal_after("DROP TABLE outbox_events").find("outbox_events") !=
        std::string::npos
    );
}

TEST_CASE("I11: another table, or a snapshot of the future, is refused") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        WindowSlice slice;
        slice.window = "9000000000:9000000000:";
        const auto future = co_await source.read(slice);
        REQUIRE_FALSE(future.has_value());
        CHECK(future.error() == Errc::history_changed);
        const auto too_far = co_await source.gate(Lsn{1ull << 62});
        REQUIRE_FALSE(too_far.has_value());
        CHECK(too_far.error() == Errc::history_changed);
        slice.window = window->snapshot;
        slice.seen = "9000000000:9000000000:";
        const auto backwards = co_await source.read(slice);
        REQUIRE_FALSE(backwards.has_value());
        CHECK(backwards.error() == Errc::invalid_request);
    });
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto known = co_await source.identity();
        REQUIRE(ok(known));
        schema.script(
            "ALTER TABLE outbox_events RENAME TO old;"
            "CREATE TABLE outbox_events (LIKE old INCLUDING ALL)"
        );
        const auto looked = co_await source.look();
        REQUIRE_FALSE(looked.has_value());
        CHECK(looked.error() == Errc::history_changed);
        const auto asked = co_await source.identity();
        REQUIRE_FALSE(asked.has_value());
        CHECK(asked.error() == Errc::history_changed);
    });
}

TEST_CASE("windows: operations overlap, but not more than there are connections") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = source_options(schema.options());
        options.max_connections = 2;
        pg::OutboxWindowSource source{context.get_executor(), std::move(options)};
        int good = 0;
        int refused = 0;
        for (int i = 0; i < 3; ++i) {
            net::co_spawn(
                context,
                source.look(),
                [&](std::exception_ptr, Result<resilience::Window> window) {
                    good += window.has_value();
                    refused += !window && window.error() == Errc::queue_full;
                }
            );
        }
        co_await until([&] { return good + refused == 3; });
        CHECK(good == 2);
        CHECK(refused == 1);
        const auto again = co_await source.look();
        CHECK(ok(again));
    });
}

TEST_CASE("windows: a source goes on after its connection was ended") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto connection = schema.options();
        connection.application_name = "window_" + std::to_string(::getpid());
        pg::OutboxWindowSource source{context.get_executor(), source_options(connection)};
        const auto first = co_await source.look();
        REQUIRE(ok(first));
        auto other = co_await connected();
        const auto ended = co_await value(
            other,
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE application_name = '" +
                connection.application_name + "'"
        );
        CHECK(ended == "1");
        const auto lost = co_await source.look();
        REQUIRE_FALSE(lost.has_value());
        CHECK(resilience::is_retryable(lost.error().code));
        const auto again = co_await source.look();
        CHECK(ok(again));
    });
}

TEST_CASE("windows: sources that share their looks ask once while nothing happens") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = source_options(schema.options());
        options.connection.application_name = "shared_" + std::to_string(::getpid());
        options.shared_look = std::make_shared<pg::SharedLook>(10s);
        std::array sources{
            std::make_unique<pg::OutboxWindowSource>(context.get_executor(), options),
            std::make_unique<pg::OutboxWindowSource>(context.get_executor(), options)};
        auto& [one, two] = sources;
        auto first = co_await one->look();
        auto second = co_await two->look();
        REQUIRE(ok(first));
        REQUIRE(ok(second));
        // Other databases of the server may have had a transaction between.
        for (int i = 0; i < 100 && first->snapshot != second->snapshot; ++i) {
            std::swap(one, two);
            first = std::move(second);
            second = co_await two->look();
            REQUIRE(ok(second));
        }
        REQUIRE(first->snapshot == second->snapshot);

        auto other = co_await connected();
        const auto ended = co_await value(
            other,
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE application_name = '" +
                options.connection.application_name + "'"
        );
        CHECK(ended == "2");
        const auto shared = co_await one->look();
        REQUIRE(ok(shared));
        CHECK(shared->snapshot == first->snapshot);
        CHECK(shared->insert == first->insert);
        // The last look was its own.
        const auto lost = co_await two->look();
        CHECK_FALSE(lost.has_value());
    });
}

TEST_CASE("I11: a look that is shared does not tell how far the history has come") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = source_options(schema.options());
        pg::OutboxWindowSource alone{context.get_executor(), options};
        options.shared_look = std::make_shared<pg::SharedLook>(10s);
        pg::OutboxWindowSource one{context.get_executor(), options};
        pg::OutboxWindowSource two{context.get_executor(), options};
        const auto first = co_await one.look();
        const auto second = co_await two.look();
        REQUIRE(ok(first));
        REQUIRE(ok(second));
        schema.script(insert_one);
        const auto later = co_await alone.look();
        REQUIRE(ok(later));
        WindowSlice slice;
        slice.window = later->snapshot;
        const auto events = co_await one.read(slice);
        REQUIRE(ok(events));
        CHECK(events->size() == 1);
    });
}

TEST_CASE("windows: a row that no event can be made of is told with its defect") {
    const Schema schema{true};
    schema.script(insert_one + ";UPDATE outbox_events SET created_at = 'infinity'");
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::OutboxWindowSource source{
            context.get_executor(), source_options(schema.options())};
        const auto window = co_await source.look();
        REQUIRE(ok(window));
        WindowSlice slice;
        slice.window = window->snapshot;
        const auto events = co_await source.read(slice);
        REQUIRE(ok(events));
        REQUIRE(events->size() == 1);
        CHECK(events->front().defect.starts_with("created_at: "));
        CHECK(events->front().event.aggregate_id == "1");
    });
}

TEST_CASE(
    "windows: an event is the same in whatever form a session writes bytes and times"
) {
    const Schema schema{true};
    schema.script(insert_one);
    auto connection = schema.options();
    connection.extra.front().second +=
        " -cbytea_output=escape -cdatestyle=SQL,DMY -ctimezone=Asia/Kathmandu";
    std::vector<resilience::WallClock::time_point> times;
    for (const auto& options : {schema.options(), connection}) {
        run([&](net::io_context& context) -> net::awaitable<void> {
            pg::OutboxWindowSource source{
                context.get_executor(), source_options(options)};
            const auto window = co_await source.look();
            REQUIRE(ok(window));
            WindowSlice slice;
            slice.window = window->snapshot;
            const auto events = co_await source.read(slice);
            REQUIRE(ok(events));
            REQUIRE(events->size() == 1);
            CHECK(events->front().defect.empty());
            REQUIRE(events->front().event.created_at.has_value());
            times.push_back(*events->front().event.created_at);
        });
    }
    CHECK(times.front() == times.back());
}
