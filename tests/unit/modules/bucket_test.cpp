// SPDX-License-Identifier: MIT
#include "route_fixture.hpp"

#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/routes.hpp>

#include <boost/json/serialize.hpp>

using namespace resilience;
using namespace resilience::modules;
using namespace std::chrono_literals;
using fixture::check_problem;
using fixture::header_of;
using fixture::number_of;
using fixture::text_of;

namespace {

struct Fixture : fixture::Routes {
    TimePoint now{1h};
    bucket::MemoryBucketStore store;

    explicit Fixture(bucket::BucketLimit limit = {})
        : store(limit, [this] { return now; }) {
        bucket::add_routes(router, metrics, store, limit);
    }

    std::int64_t remaining(const std::string& key) {
        return number_of(get("/v1/bucket/check?key=" + key), "remaining");
    }
};

bool allowed(const host::Response& answer) {
    return fixture::object_of(answer).at("allowed").as_bool();
}

constexpr const char* bulk = "/api/bucket/bulk-consume";

}  // namespace

TEST_CASE("M2: check tells what is there and takes nothing") {
    Fixture service;
    for (int i = 0; i < 20; ++i) {
        const auto answer = service.get("/api/bucket/check?key=user123");
        CHECK(answer.status == 200);
        CHECK(text_of(answer, "key") == "user123");
        CHECK(allowed(answer));
        CHECK(number_of(answer, "tokens") == 1);
        CHECK(number_of(answer, "remaining") == 10);
        CHECK(number_of(answer, "limit") == 10);
        CHECK(number_of(answer, "retry_after_ms") == 0);
        CHECK(number_of(answer, "reset_after_ms") == 0);
        CHECK(text_of(answer, "algorithm") == "token_bucket");
    }
}

TEST_CASE("M2: check of more than there is says when it will be, as a 200") {
    Fixture service;
    CHECK(service.post("/api/bucket/consume?key=k&tokens=8").status == 200);
    const auto answer = service.get("/api/bucket/check?key=k&tokens=5");
    CHECK(answer.status == 200);
    CHECK_FALSE(allowed(answer));
    CHECK(number_of(answer, "remaining") == 2);
    CHECK(number_of(answer, "retry_after_ms") == 3000);
    CHECK(header_of(answer, "RateLimit") == "\"bucket\";r=2;t=3");
}

TEST_CASE("M3: consume takes tokens; both prefixes and all keys have buckets of their own"
) {
    Fixture service;
    const auto answer = service.post("/api/bucket/consume?key=user123&tokens=3");
    CHECK(answer.status == 200);
    CHECK(allowed(answer));
    CHECK(number_of(answer, "tokens") == 3);
    CHECK(number_of(answer, "remaining") == 7);
    CHECK(number_of(answer, "reset_after_ms") == 3000);
    CHECK(number_of(service.post("/v1/bucket/consume?key=user123"), "remaining") == 6);
    CHECK(service.remaining("other") == 10);
    CHECK(service.counted(
        R"(bucket_requests_total{operation="consume",result="allowed"} 2)"
    ));
    CHECK(service.counted("bucket_tokens_consumed_total 4"));
}

TEST_CASE(
    "M19: after ten fast consumes the eleventh is refused, and the refill lets one in"
) {
    Fixture service;
    CHECK(service.get("/api/bucket/check?key=test-user").status == 200);
    for (int i = 0; i < 10; ++i) {
        CHECK(service.post("/api/bucket/consume?key=test-user&tokens=1").status == 200);
    }
    const auto refused = service.post("/api/bucket/consume?key=test-user&tokens=1");
    CHECK(refused.status == 429);
    service.now += 999ms;
    CHECK(service.post("/api/bucket/consume?key=test-user&tokens=1").status == 429);
    service.now += 1ms;
    CHECK(service.post("/api/bucket/consume?key=test-user&tokens=1").status == 200);
    CHECK(service.post("/api/bucket/consume?key=test-user&tokens=1").status == 429);
    CHECK(service.counted(
        R"(bucket_requests_total{operation="consume",result="refused"} 3)"
    ));
    CHECK(service.counted("bucket_tokens_consumed_total 11"));
}

TEST_CASE("M3: a refusal is a problem that also says what an answer says") {
    Fixture service;
    service.post("/v1/bucket/consume?key=k%22q&tokens=9");
    const auto answer = service.post("/v1/bucket/consume?key=k%22q&tokens=4");
    check_problem(answer, 429, "quota-exceeded");
    CHECK(text_of(answer, "instance") == "test-1");
    CHECK(number_of(answer, "status") == 429);
    CHECK(text_of(answer, "key") == "k\"q");
    CHECK_FALSE(allowed(answer));
    CHECK(number_of(answer, "tokens") == 4);
    CHECK(number_of(answer, "remaining") == 1);
    CHECK(number_of(answer, "limit") == 10);
    CHECK(number_of(answer, "retry_after_ms") == 3000);
    CHECK(number_of(answer, "reset_after_ms") == 9000);
    CHECK(header_of(answer, "Retry-After") == "3");
}

TEST_CASE("X17: admissions and refusals carry both families of headers") {
    Fixture service{{.capacity = 10, .tokens = 3, .period = 1s}};
    const auto admitted = service.post("/v1/bucket/consume?key=k&tokens=10");
    CHECK(header_of(admitted, "RateLimit-Policy") == "\"bucket\";q=10;w=4");
    CHECK(header_of(admitted, "RateLimit") == "\"bucket\";r=0;t=4");
    CHECK(header_of(admitted, "X-RateLimit-Limit") == "10");
    CHECK(header_of(admitted, "X-RateLimit-Remaining") == "0");
    CHECK(header_of(admitted, "X-RateLimit-Reset") == "4");
    CHECK_FALSE(admitted.header("Retry-After").has_value());
    const auto refused = service.post("/v1/bucket/consume?key=k&tokens=4");
    CHECK(header_of(refused, "RateLimit-Policy") == "\"bucket\";q=10;w=4");
    CHECK(header_of(refused, "RateLimit") == "\"bucket\";r=0;t=2");
    CHECK(header_of(refused, "X-RateLimit-Remaining") == "0");
    CHECK(header_of(refused, "X-RateLimit-Reset") == "2");
    CHECK(header_of(refused, "Retry-After") == "2");
}

TEST_CASE("X17: Retry-After is never zero, and whoever waits for it is admitted") {
    Fixture service{{.capacity = 10, .tokens = 1000, .period = 1s}};
    service.post("/v1/bucket/consume?key=k&tokens=10");
    const auto refused = service.post("/v1/bucket/consume?key=k");
    CHECK(number_of(refused, "retry_after_ms") == 1);
    CHECK(header_of(refused, "Retry-After") == "1");
    service.now += 1s;
    CHECK(service.post("/v1/bucket/consume?key=k").status == 200);
}

TEST_CASE("M3: more tokens than a bucket can hold are 422 and take nothing") {
    Fixture service;
    for (const auto& answer :
         {service.post("/v1/bucket/consume?key=k&tokens=11"),
          service.get("/v1/bucket/check?key=k&tokens=2147483648")}) {
        check_problem(answer, 422, "unprocessable");
        CHECK(text_of(answer, "field") == "tokens");
        CHECK_FALSE(answer.header("Retry-After").has_value());
    }
    CHECK(service.remaining("k") == 10);
}

TEST_CASE("M2, M3: a parameter that breaks a rule is 400 and takes nothing") {
    Fixture service;
    struct Case {
        std::string query;
        std::string field;
    };
    const Case cases[] = {
        {"", "key"},
        {"?tokens=1", "key"},
        {"?key=", "key"},
        {"?key", "key"},
        {"?key=" + std::string(257, 'k'), "key"},
        {"?key=k&key=k", "key"},
        {"?key=k&tokens=1&tokens=1", "tokens"},
        {"?key=k&tokens=", "tokens"},
        {"?key=k&tokens=0", "tokens"},
        {"?key=k&tokens=-1", "tokens"},
        {"?key=k&tokens=1.5", "tokens"},
        {"?key=k&tokens=1e0", "tokens"},
        {"?key=k&tokens=+1", "tokens"},
        {"?key=k&tokens=one", "tokens"},
        {"?key=k&tokens=0x1", "tokens"},
        {"?key=k&tokens=2147483649", "tokens"},
        {"?key=k&tokens=99999999999999999999999", "tokens"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.query);
        for (const auto& answer :
             {service.post("/api/bucket/consume" + each.query),
              service.get("/api/bucket/check" + each.query)}) {
            check_problem(answer, 400, "invalid-field");
            CHECK(text_of(answer, "field") == each.field);
        }
    }
    CHECK(service.remaining("k") == 10);
    const std::string longest(256, 'k');
    CHECK(service.post("/api/bucket/consume?key=" + longest).status == 200);
    CHECK(service.counted(
        R"(bucket_requests_total{operation="consume",result="invalid"} 17)"
    ));
    host::Request request;
    CHECK_FALSE(request.set_target("/api/bucket/check?key=%zz").empty());
}

TEST_CASE("M4: reset fills the bucket; the key stands in the query or in the body") {
    Fixture service;
    const auto empty = [&] { service.post("/v1/bucket/consume?key=k&tokens=10"); };
    empty();
    const auto answer = service.post("/api/bucket/reset?key=k");
    CHECK(answer.status == 200);
    CHECK(text_of(answer, "key") == "k");
    CHECK(number_of(answer, "remaining") == 10);
    CHECK(service.remaining("k") == 10);
    empty();
    CHECK(service.post("/v1/bucket/reset", R"({"key":"k"})").status == 200);
    CHECK(service.remaining("k") == 10);
    // A bucket that nobody has touched is full already.
    CHECK(service.post("/v1/bucket/reset?key=new").status == 200);
}

TEST_CASE("M4: reset with a key in the query and in the body is 400 and resets neither") {
    Fixture service;
    service.post("/v1/bucket/consume?key=a&tokens=10");
    service.post("/v1/bucket/consume?key=b&tokens=10");
    for (const auto* body : {R"({"key":"b"})", R"({"key":"a"})", R"({"key":7})"}) {
        const auto answer = service.post("/v1/bucket/reset?key=a", body);
        check_problem(answer, 400, "invalid-field");
        CHECK(text_of(answer, "field") == "key");
    }
    check_problem(service.post("/v1/bucket/reset?key=a", "nonsense"), 400, "bad-request");
    CHECK(service.remaining("a") == 0);
    CHECK(service.remaining("b") == 0);
    CHECK(service.post("/v1/bucket/reset?key=a", "{}").status == 200);
    CHECK(service.remaining("a") == 10);
}

TEST_CASE("M4: reset without a good key is 400") {
    Fixture service;
    for (const auto& answer :
         {service.post("/v1/bucket/reset"),
          service.post("/v1/bucket/reset?key="),
          service.post("/v1/bucket/reset?key=a&key=b"),
          service.post("/v1/bucket/reset", "{}"),
          service.post("/v1/bucket/reset", R"({"key":""})"),
          service.post("/v1/bucket/reset", R"({"key":7})"),
          service.post(
              "/v1/bucket/reset", R"({"key":")" + std::string(257, 'k') + "\"}"
          )}) {
        check_problem(answer, 400, "invalid-field");
        CHECK(text_of(answer, "field") == "key");
    }
    CHECK(service.post("/v1/bucket/reset", "nonsense").status == 400);
}

TEST_CASE("M5: bulk-consume decides one by one unless told otherwise") {
    Fixture service;
    const auto answer = service.post(
        bulk,
        R"({"requests":[{"key":"a","tokens":6},{"key":"a","tokens":6},{"key":"b"}]})"
    );
    CHECK(answer.status == 200);
    CHECK_FALSE(allowed(answer));
    const auto object = fixture::object_of(answer);
    CHECK_FALSE(object.at("atomic").as_bool());
    const auto& results = object.at("results").as_array();
    REQUIRE(results.size() == 3);
    CHECK(results[0].at("allowed").as_bool());
    CHECK(results[0].at("remaining") == 4);
    CHECK_FALSE(results[1].at("allowed").as_bool());
    CHECK(results[1].at("retry_after_ms") == 2000);
    CHECK(results[2].at("key") == "b");
    CHECK(results[2].at("tokens") == 1);
    CHECK(results[2].at("remaining") == 9);
    CHECK(service.counted("bucket_tokens_consumed_total 7"));
}

TEST_CASE("M5: an atomic bulk-consume takes from all buckets or from none") {
    Fixture service;
    service.post("/v1/bucket/consume?key=b&tokens=8");
    const auto refused = service.post(
        bulk,
        R"({"requests":[{"key":"a","tokens":2},{"key":"b","tokens":5}],"atomic":true})"
    );
    check_problem(refused, 429, "quota-exceeded");
    CHECK(text_of(refused, "field") == "requests[1]");
    CHECK(header_of(refused, "Retry-After") == "3");
    CHECK_FALSE(allowed(refused));
    CHECK(fixture::object_of(refused).at("results").as_array().size() == 2);
    CHECK(service.remaining("a") == 10);
    CHECK(service.remaining("b") == 2);
    service.now += 3s;
    const auto admitted = service.post(
        bulk,
        R"({"requests":[{"key":"a","tokens":2},{"key":"b","tokens":5}],"atomic":true})"
    );
    CHECK(admitted.status == 200);
    CHECK(allowed(admitted));
    CHECK(service.remaining("a") == 8);
    CHECK(service.remaining("b") == 0);
}

TEST_CASE("M5: requests for one key add up in an atomic bulk-consume") {
    Fixture service;
    const auto two = [&](int first, int second) {
        const auto request = [](int n) {
            return R"({"key":"a","tokens":)" + std::to_string(n) + "}";
        };
        return service.post(
            bulk,
            R"({"atomic":true,"requests":[)" + request(first) + "," + request(second) +
                "]}"
        );
    };
    const auto impossible = two(6, 5);
    check_problem(impossible, 422, "unprocessable");
    CHECK(text_of(impossible, "field") == "requests[1].tokens");
    CHECK(service.remaining("a") == 10);
    CHECK(two(6, 4).status == 200);
    CHECK(service.remaining("a") == 0);
    CHECK(two(1, 1).status == 429);
}

TEST_CASE("M5: a bulk-consume that breaks a rule is 400 or 422 and takes nothing") {
    Fixture service;
    struct Case {
        std::string body;
        unsigned status;
        std::string field;
    };
    const Case cases[] = {
        {R"({})", 400, "requests"},
        {R"({"requests":{}})", 400, "requests"},
        {R"({"requests":[]})", 400, "requests"},
        {R"({"requests":[7]})", 400, "requests[0]"},
        {R"({"requests":[{"key":"a"},{"tokens":1}]})", 400, "requests[1].key"},
        {R"({"requests":[{"key":"a"},{"key":""}]})", 400, "requests[1].key"},
        {R"({"requests":[{"key":"a"},{"key":"b","tokens":0}]})",
         400,
         "requests[1].tokens"},
        {R"({"requests":[{"key":"a","tokens":1.5}]})", 400, "requests[0].tokens"},
        {R"({"requests":[{"key":"a","tokens":"1"}]})", 400, "requests[0].tokens"},
        {R"({"requests":[{"key":"a","tokens":2147483649}]})", 400, "requests[0].tokens"},
        {R"({"requests":[{"key":"a"}],"atomic":"yes"})", 400, "atomic"},
        {R"({"requests":[{"key":"a"},{"key":"a","tokens":11}]})",
         422,
         "requests[1].tokens"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.body);
        const auto answer = service.post(bulk, each.body);
        CHECK(answer.status == each.status);
        CHECK(text_of(answer, "field") == each.field);
    }
    fixture::json::array many(1001, fixture::json::object{{"key", "a"}});
    const auto body = [&] {
        return fixture::json::serialize(fixture::json::object{{"requests", many}});
    };
    CHECK(text_of(service.post(bulk, body()), "field") == "requests");
    CHECK(service.remaining("a") == 10);
    many.pop_back();
    CHECK(service.post(bulk, body()).status == 200);
    CHECK(service.remaining("a") == 0);
}

TEST_CASE("M5: keys without room share a bucket, which no group overdraws") {
    net::io_context context;
    bucket::MemoryBucketStore store{{}, [] { return TimePoint{1h}; }, 1};
    const auto consume = [&](std::string key) {
        return fixture::run(context, store.consume({std::move(key), 1})).value();
    };
    // The second key without room finds what the first has left.
    int keys = 0;
    while (consume("k" + std::to_string(++keys)).remaining != 8) REQUIRE(keys < 1000);
    const auto group = fixture::run(context, store.consume_all({{"x", 5}, {"y", 5}}));
    CHECK_FALSE(group->admission.admitted);
    CHECK(fixture::run(context, store.reset("z")).error() == Errc::queue_full);
}
