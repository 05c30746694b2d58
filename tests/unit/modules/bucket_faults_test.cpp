// SPDX-License-Identifier: MIT
#include "route_fixture.hpp"

#include <host/app.hpp>
#include <host/config.hpp>
#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/routes.hpp>

using namespace resilience;
using namespace resilience::modules;
using namespace std::chrono_literals;
using fixture::check_problem;
using fixture::header_of;

namespace {

class BrokenStore final : public bucket::BucketStore {
public:
    Errc code = Errc::unavailable;

    net::awaitable<Result<bucket::Decision>> check(bucket::TokenRequest) override {
        co_return failure();
    }
    net::awaitable<Result<bucket::Decision>> consume(bucket::TokenRequest) override {
        co_return failure();
    }
    net::awaitable<Result<std::vector<bucket::Decision>>>
    consume_each(std::vector<bucket::TokenRequest>) override {
        co_return failure();
    }
    net::awaitable<Result<bucket::GroupDecision>>
    consume_all(std::vector<bucket::TokenRequest>) override {
        co_return failure();
    }
    net::awaitable<Result<void>> reset(std::string) override { co_return failure(); }
    net::awaitable<Result<void>> ping() override { co_return failure(); }

private:
    Failure failure() const { return fail(code, "secret words of the server"); }
};

struct Fixture : fixture::Routes {
    BrokenStore store;
    Fixture() { bucket::add_routes(router, metrics, store, {}); }

    std::vector<host::Response> ask_everything() {
        const std::string requests = R"({"requests":[{"key":"k"}],"atomic":)";
        return {
            get("/api/bucket/check?key=k"),
            post("/api/bucket/consume?key=k"),
            post("/api/bucket/reset?key=k"),
            post("/api/bucket/bulk-consume", requests + "true}"),
            post("/api/bucket/bulk-consume", requests + "false}")};
    }
};

bucket::BucketLimit limit_of(double rate, std::int64_t capacity = 10) {
    return bucket::limit_of({.capacity = capacity, .refill_rate = rate});
}

}  // namespace

TEST_CASE("M2-M5: a store that is down is 503 with Retry-After and never an admission") {
    Fixture service;
    for (const auto code : {Errc::unavailable, Errc::timed_out, Errc::queue_full}) {
        service.store.code = code;
        for (const auto& answer : service.ask_everything()) {
            check_problem(answer, 503, "unavailable");
            CHECK_FALSE(header_of(answer, "Retry-After").empty());
            CHECK(answer.body.find("secret") == std::string::npos);
        }
    }
    CHECK(service.counted(
        R"(bucket_requests_total{operation="consume",result="unavailable"} 3)"
    ));
    CHECK(service.counted("bucket_tokens_consumed_total 0"));
}

TEST_CASE("M3: an answer that did not come is 503 and never an admission") {
    Fixture service;
    for (const auto code : {Errc::timed_out_in_doubt, Errc::connection_lost}) {
        service.store.code = code;
        for (const auto& answer : service.ask_everything()) {
            check_problem(answer, 503, "outcome-unknown");
            CHECK_FALSE(header_of(answer, "Retry-After").empty());
        }
    }
}

TEST_CASE(
    "M2-M5: a key that holds no bucket is 503 for the client and an error in the log"
) {
    Fixture service;
    service.store.code = Errc::corrupt_data;
    for (const auto& answer : service.ask_everything()) {
        check_problem(answer, 503, "corrupt-data");
        CHECK_FALSE(header_of(answer, "Retry-After").empty());
        CHECK(fixture::text_of(answer, "detail").find("reset") != std::string::npos);
        CHECK(answer.body.find("secret") == std::string::npos);
        REQUIRE(answer.problem.has_value());
        CHECK(answer.problem->needs_operator);
        CHECK(answer.problem->cause.find("secret words") != std::string::npos);
    }
}

TEST_CASE("M26: the table of keys shows how full it is, and how often a key found no room"
) {
    fixture::Routes service;
    const TimePoint now{1h};
    bucket::MemoryBucketStore store{{}, [&] { return now; }, 1};
    bucket::add_routes(service.router, service.metrics, store, {});
    const auto slots = store.occupancy().value().slots;
    CHECK(service.counted("bucket_table_slots " + std::to_string(slots) + '\n'));
    CHECK(service.counted("bucket_table_keys 0\n"));
    CHECK(service.counted("bucket_table_overflows_total 0\n"));
    for (std::size_t i = 0; i < slots + 3; ++i) {
        service.post("/v1/bucket/consume?key=k" + std::to_string(i));
    }
    const auto overflows = store.occupancy().value().overflows;
    CHECK(overflows > 0);
    for (int scrape = 0; scrape < 2; ++scrape) {
        CHECK(service.counted("bucket_table_keys " + std::to_string(slots) + '\n'));
        CHECK(service.counted(
            "bucket_table_overflows_total " + std::to_string(overflows) + '\n'
        ));
    }
}

TEST_CASE("M10: the health part bucket is required and keeps the server's words") {
    net::io_context context;
    BrokenStore store;
    host::App app{{.name = "test", .log_level = "error"}};
    bucket::mount(app, store, {});
    const auto found = fixture::run(context, app.health().examine("bucket")).value();
    CHECK(found.need == host::Need::required);
    CHECK(found.health.state == host::HealthState::down);
    CHECK(found.health.detail.find("secret") == std::string::npos);
}

TEST_CASE("M11: the refill rate becomes an exact fraction") {
    const auto is = [](const bucket::BucketLimit& limit, std::uint32_t n, int seconds) {
        return limit.tokens == n && limit.period == std::chrono::seconds{seconds};
    };
    CHECK(is(limit_of(1), 1, 1));
    CHECK(is(limit_of(0.5), 1, 2));
    CHECK(is(limit_of(0.1), 1, 10));
    CHECK(is(limit_of(2.5), 5, 2));
    CHECK(is(limit_of(0.000001), 1, 1'000'000));
    CHECK(is(limit_of(1e9), 1'000'000'000, 1));
    CHECK(is(limit_of(0.333333), 333'333, 1'000'000));
    CHECK(is(limit_of(0.999999), 999'999, 1'000'000));
    CHECK(is(limit_of(1.001), 1001, 1000));
    CHECK(is(limit_of(16.667), 16'667, 1000));
    CHECK(is(limit_of(4294967.295), 858'993'459, 200));
}

TEST_CASE("M11: a limit that cannot be kept is refused by name") {
    CHECK_THROWS_WITH(limit_of(1, 0), "BUCKET_CAPACITY: must be 1 to 2147483648");
    CHECK_THROWS_WITH(
        limit_of(1, bucket::most_tokens + 1), "BUCKET_CAPACITY: must be 1 to 2147483648"
    );
    for (const double rate : {0.0, -1.0, 1e-7, 2e9}) {
        CHECK_THROWS_WITH(
            limit_of(rate), "BUCKET_REFILL_RATE: must be 0.000001 to 1000000000"
        );
    }
    CHECK_THROWS_WITH(
        limit_of(4999999.999),
        "BUCKET_REFILL_RATE: has too many decimals for so high a rate"
    );
}

TEST_CASE("M11: a rate with more decimals than are kept is refused, not rounded") {
    for (const double rate :
         {0.0000014,
          1.0 / 3.0,
          0.1234567,
          0.9999999,
          1.0001,
          1000.0 / 60.0,
          1e8 + 1e-4}) {
        CAPTURE(rate);
        CHECK_THROWS_WITH(
            limit_of(rate),
            "BUCKET_REFILL_RATE: has more decimals than are kept, six below 1 and three "
            "from 1 on"
        );
    }
    // None of those that can be kept.
    for (std::int64_t parts = 1; parts < 1'000'000; parts += 37) {
        CHECK_NOTHROW(limit_of(static_cast<double>(parts) / 1e6));
        CHECK_NOTHROW(limit_of(static_cast<double>(1000 + parts) / 1e3));
    }
}

TEST_CASE("X3: the settings have the documented defaults and refuse other algorithms") {
    const auto parse = [](host::Config::Environment environment) {
        bucket::BucketSettings settings;
        host::Config config{"test", "Tests."};
        bucket::declare(config, settings);
        return std::pair{config.parse({}, environment), settings};
    };
    const auto [outcome, defaults] = parse({});
    CHECK_FALSE(outcome.exit_code.has_value());
    CHECK(defaults.capacity == 10);
    CHECK(defaults.refill_rate == 1.0);
    CHECK(defaults.algorithm == "token_bucket");
    CHECK(
        parse({{"BUCKET_CAPACITY", "3"}, {"BUCKET_REFILL_RATE", "0.5"}}
        ).second.capacity == 3
    );
    for (const auto& [name, value] : host::Config::Environment{
             {"BUCKET_ALGORITHM", "sliding_window"},
             {"BUCKET_CAPACITY", "0"},
             {"BUCKET_REFILL_RATE", "fast"},
             {"BUCKET_SIZE", "10"}}) {
        const auto refused = parse({{name, value}}).first;
        CHECK(refused.exit_code == 2);
        CHECK(refused.text.find(name) != std::string::npos);
    }
}
