// SPDX-License-Identifier: MIT
#include "contracts/claim_source.hpp"
#include "server.hpp"

#include <resilience/outbox.hpp>
#include <resilience/postgres/libpq_transaction.hpp>
#include <resilience/postgres/outbox_source.hpp>

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>

using namespace postgres_tests;
using resilience::Event;
using resilience::Outbox;

namespace {

pg::PoolOptions pool_options(
    const pg::ConnectionOptions& connection, std::size_t size = 4
) {
    pg::PoolOptions options;
    options.connection = connection;
    options.max_size = size;
    options.acquire_timeout = 30s;
    return options;
}

net::awaitable<Result<resilience::Uuid>> append(pg::Pool& pool, Event event) {
    static const Outbox outbox;
    const auto work = [&](pg::Transaction& t
                      ) -> net::awaitable<Result<resilience::Uuid>> {
        co_return co_await outbox.append(t, std::move(event));
    };
    co_return co_await pg::with_transaction(pool, work);
}

class Fixture : public contract::ClaimSourceFixture {
public:
    Fixture()
        : schema_(true),
          pool_(context_.get_executor(), pool_options(schema_.options())) {}

    std::unique_ptr<resilience::ClaimSource> make_source() override {
        return std::make_unique<pg::OutboxSource>(pool_);
    }
    void append(Event event) override {
        const auto id = contract::run(context_, ::append(pool_, std::move(event)));
        if (!id) FAIL("append: ", id.error().message());
    }
    contract::RowState row(const std::string& id) override {
        contract::RowState state;
        postgres_tests::run(context_, read(id, state));
        return state;
    }
    void refuse(const std::string& id, const std::string& status) override {
        schema_.script(
            "ALTER TABLE outbox_events ADD CHECK (id <> '" + id + "' OR status <> '" +
            status + "') NOT VALID"
        );
    }
    net::io_context& context() override { return context_; }

private:
    net::awaitable<void> read(std::string id, contract::RowState& state) {
        auto connection = co_await pool_.async_acquire();
        REQUIRE(connection.has_value());
        const auto rows =
            co_await (*connection)
                ->async_execute(
                    "SELECT status, retry_count, error_message, processed_at "
                    "FROM outbox_events WHERE id = $1",
                    pg::parameters(id)
                );
        REQUIRE(ok(rows));
        REQUIRE(rows->size() == 1);
        const auto found = (*rows)[0];
        state = {
            std::string{found.text(0)},
            static_cast<std::int32_t>(found.int64(1).value()),
            std::string{found.text(2)},
            !found.is_null(3)};
    }

    net::io_context context_;
    Schema schema_;
    pg::Pool pool_;
};

net::awaitable<std::vector<resilience::ClaimedEvent>> claimed(
    resilience::ClaimSource& source, std::size_t limit = 100
) {
    auto events = co_await source.claim(limit);
    if (!events) FAIL("claim: ", events.error().message());
    co_return std::move(*events);
}

// A list in braces inside a coroutine is more than g++ 12 can take.
std::vector<std::string> both(std::string one, std::string two) {
    return {std::move(one), std::move(two)};
}

}  // namespace

TEST_CASE("outbox: the PostgreSQL source keeps the contract of claim sources") {
    contract::check_claim_source([] { return std::make_unique<Fixture>(); });
}

TEST_CASE("outbox: an event is written with the change or not at all") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        const Outbox outbox;
        auto connection = co_await pool.async_acquire();
        REQUIRE(connection.has_value());
        for (const bool commit : {false, true}) {
            auto transaction = co_await pg::Transaction::async_begin(**connection);
            auto event = contract::make_event(1, "a");
            const auto id = co_await outbox.append(*transaction, event);
            REQUIRE(ok(id));
            CHECK(id->to_string() == contract::event_id(1));
            Result<void> ended;
            if (commit) {
                ended = co_await transaction->async_commit();
            } else {
                ended = co_await transaction->async_rollback();
            }
            REQUIRE(ok(ended));
            const auto count =
                co_await value(**connection, "SELECT count(*) FROM outbox_events");
            CHECK(count == (commit ? "1" : "0"));
        }
        auto transaction = co_await pg::Transaction::async_begin(**connection);
        auto bad = contract::make_event(2, "a");
        bad.event_data = "not JSON";
        CHECK(
            (co_await outbox.append(*transaction, bad)).error() == Errc::invalid_request
        );
        const auto twice =
            co_await outbox.append(*transaction, contract::make_event(1, "a"));
        CHECK(twice.error() == Errc::already_exists);
    });
}

TEST_CASE("outbox: rows without a key are not ordered and hold nobody up") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        pg::OutboxSource source{pool};
        for (int i = 1; i <= 3; ++i)
            (void)co_await append(pool, contract::make_event(i, "a"));
        schema.script("UPDATE outbox_events SET partition_key = NULL, headers = '[1]'");
        auto first = co_await claimed(source, 1);
        REQUIRE(first.size() == 1);
        CHECK_FALSE(first[0].event.partition_key);
        CHECK(first[0].event.headers.empty());
        CHECK((co_await claimed(source)).size() == 2);
    });
}

TEST_CASE("outbox: a row that somebody has locked holds up its own key alone") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        pg::OutboxSource source{pool};
        for (int number = 1; number <= 4; ++number) {
            const auto* key = number % 2 == 1 ? "a" : "b";
            (void)co_await append(pool, contract::make_event(number, key));
        }
        auto connection = co_await pool.async_acquire();
        auto holder = co_await pg::Transaction::async_begin(**connection);
        const auto locked = co_await holder->async_execute(
            "SELECT 1 FROM outbox_events WHERE id = $1 FOR UPDATE",
            pg::parameters(contract::event_id(1))
        );
        REQUIRE(ok(locked));
        std::string ids;
        for (const auto& event : co_await claimed(source)) ids += event.event.id + ' ';
        CHECK(ids == contract::event_id(2) + ' ' + contract::event_id(4) + ' ');
    });
}

TEST_CASE("outbox: any number of keys may be held or wait, and none is overtaken") {
    using enum resilience::Disposition;
    const Schema schema{true};
    const auto one_of_each_key = [&] {
        schema.script(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, partition_key) SELECT gen_random_uuid(), 'a', 'b', 'c', "
            "'{}', 't', 'k' || i FROM generate_series(1, 1500) i"
        );
    };
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        pg::OutboxSource source{pool};
        one_of_each_key();
        const auto events = co_await claimed(source, 2000);
        CHECK(events.size() == 1500);
        one_of_each_key();
        CHECK((co_await claimed(source, 2000)).empty());
        std::vector<resilience::Settlement> verdicts;
        for (const auto& event : events) verdicts.push_back({event.seq, retry, 1h, "x"});
        REQUIRE(ok(co_await source.settle(std::move(verdicts))));
        CHECK((co_await claimed(source, 2000)).empty());
    });
}

TEST_CASE("outbox: claims go one after another, so that each finds the next rows") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        auto options = pool_options(schema.options());
        options.connection.query_timeout = 200ms;
        options.connection.drain_timeout = 10s;
        pg::Pool pool{context.get_executor(), options};
        pg::OutboxSource source{pool};
        (void)co_await append(pool, contract::make_event(1, "a"));
        auto other = co_await pool.async_acquire();
        auto claiming = co_await pg::Transaction::async_begin(**other);
        const auto held = co_await claiming->async_execute(
            "SELECT pg_advisory_xact_lock(1920165985, "
            "'outbox_events'::regclass::oid::int)"
        );
        REQUIRE(ok(held));
        CHECK((co_await source.claim(10)).error() == Errc::timed_out_in_doubt);
        REQUIRE(ok(co_await claiming->async_rollback()));
        CHECK((co_await claimed(source)).size() == 1);
    });
}

TEST_CASE("outbox: a batch ends with the row that reaches the limit of bytes") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        pg::OutboxSource source{pool, {.max_batch_bytes = 1}};
        for (int i = 1; i <= 3; ++i) {
            (void)co_await append(pool, contract::make_event(i, "k" + std::to_string(i)));
        }
        for (int i = 1; i <= 3; ++i) {
            const auto events = co_await claimed(source);
            REQUIRE(events.size() == 1);
            CHECK(events[0].event.id == contract::event_id(i));
        }
        CHECK((co_await claimed(source)).empty());
    });
}

TEST_CASE("outbox: what a claim took whose answer was lost comes back with the next claim"
) {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        auto options = pool_options(through(proxy, schema.options()));
        options.reconnect.base = 1ms;
        options.reconnect.cap = 2ms;
        pg::Pool pool{context.get_executor(), options};
        pg::OutboxSource source{pool};
        for (int i = 1; i <= 2; ++i) {
            (void)co_await append(pool, contract::make_event(i, "k" + std::to_string(i)));
        }
        REQUIRE((co_await claimed(source, 1)).size() == 1);
        proxy.break_on("BEGIN", contract::TcpProxy::Break::before_answer);
        // A new connection, so that the text of the statements is sent once more.
        proxy.cut();
        const auto lost = co_await source.claim(1);
        CHECK(lost.error() == Errc::connection_lost);
        const auto events = co_await claimed(source);
        REQUIRE(events.size() == 1);
        CHECK(events[0].event.id == contract::event_id(2));
    });
}

TEST_CASE("outbox: an error text of any bytes and any length is settled") {
    using enum resilience::Disposition;
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), pool_options(schema.options())};
        pg::OutboxSource source{pool};
        (void)co_await append(pool, contract::make_event(1, "a"));
        std::string long_text;
        for (int i = 0; i < 5000; ++i) long_text += "\xe2\x82\xac";
        const std::vector<std::string> texts =
            both(std::string("a\0b\xff", 4), long_text);
        for (const auto& text : texts) {
            const auto events = co_await claimed(source);
            REQUIRE(events.size() == 1);
            std::vector<resilience::Settlement> verdicts(1);
            verdicts[0] = {events[0].seq, retry, 0s, text};
            REQUIRE(ok(co_await source.settle(std::move(verdicts))));
        }
        auto connection = co_await pool.async_acquire();
        CHECK(
            co_await value(
                **connection,
                "SELECT retry_count || ' ' || length(error_message) FROM outbox_events"
            ) == "2 1365"
        );
    });
}

TEST_CASE("outbox: the server being away is a failure that may be retried") {
    const Schema schema{true};
    run([&](net::io_context& context) -> net::awaitable<void> {
        contract::TcpProxy proxy{"127.0.0.1", server().port};
        proxy.refuse(true);
        pg::Pool pool{
            context.get_executor(), pool_options(through(proxy, schema.options()))};
        pg::OutboxSource source{pool};
        const auto refused = co_await source.claim(10);
        REQUIRE_FALSE(refused.has_value());
        CHECK(resilience::is_retryable(refused.error().code));
        std::vector<resilience::Settlement> verdicts(1);
        CHECK_FALSE((co_await source.settle(verdicts)).has_value());
        CHECK_FALSE((co_await source.reset_stale(1s)).has_value());
        CHECK_FALSE((co_await source.depth()).has_value());
    });
}

TEST_CASE("outbox: many relays claim every row once and keep each key in order") {
    using enum resilience::Disposition;
    constexpr int rows = 4000;
    constexpr int keys = 25;
    const Schema schema{true};
    schema.script(
        "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
        "event_data, "
        "topic, partition_key) SELECT gen_random_uuid(), 'a', 'b', 'c', '{}', 't', "
        "CASE WHEN i % 10 < 9 THEN 'k' || (i * 7919 % " +
        std::to_string(keys) + ") END FROM generate_series(1, " + std::to_string(rows) +
        ") i"
    );
    net::thread_pool threads{8};
    std::mutex mutex;
    std::map<std::string, std::int64_t> last;  // of each key
    std::set<std::int64_t> seen;
    int doubles = 0;
    int inversions = 0;
    {
        pg::Pool pool{threads.get_executor(), pool_options(schema.options(), 8)};
        const auto relay = [&](unsigned number) -> net::awaitable<void> {
            pg::OutboxSource source{pool};
            std::mt19937 random{number};
            for (int idle = 0; idle < 200;) {
                auto events = co_await source.claim(1 + random() % 60);
                if (!events) FAIL("claim: ", events.error().message());
                if (events->empty()) ++idle;
                std::vector<resilience::Settlement> verdicts;
                std::set<std::string> failed;
                {
                    const std::lock_guard lock{mutex};
                    for (const auto& event : *events) {
                        const auto& key = event.event.partition_key;
                        const bool after = key && failed.contains(*key);
                        if (!after && random() % 10 != 0) {
                            if (!seen.insert(event.seq).second) ++doubles;
                            if (key && std::exchange(last[*key], event.seq) > event.seq) {
                                ++inversions;
                            }
                            verdicts.push_back({event.seq, sent});
                        } else if (after) {
                            verdicts.push_back({event.seq, released});
                        } else {
                            if (key) failed.insert(*key);
                            verdicts.push_back({event.seq, retry, random() % 3 * 1ms, "x"}
                            );
                        }
                    }
                }
                const auto settled = co_await source.settle(std::move(verdicts));
                if (!settled) FAIL("settle: ", settled.error().message());
            }
        };
        std::vector<std::future<void>> ends;
        for (unsigned number = 0; number < 8; ++number) {
            ends.push_back(net::co_spawn(threads, relay(number), net::use_future));
        }
        for (auto& end : ends) end.get();
    }
    threads.join();
    CHECK(doubles == 0);
    CHECK(inversions == 0);
    CHECK(seen.size() == rows);
}
