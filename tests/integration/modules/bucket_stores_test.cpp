// SPDX-License-Identifier: MIT
#include "bucket_store_contract.hpp"

#include <modules/backing/redis.hpp>
#include <modules/bucket/memory_bucket_store.hpp>
#include <modules/bucket/redis_bucket_store.hpp>

#include <resilience/redis/connection_options.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <thread>

using namespace resilience;
using namespace resilience::modules;
using namespace std::chrono_literals;

namespace {

redis::ConnectionOptions server() {
    return redis::with_address(
        fixture::required("REDIS_ADDR"), {.request_timeout = 5s, .silence_limit = 5s}
    );
}

contract::MakeStore redis_store(std::string prefix = fixture::unique_name() + ":") {
    return [prefix](net::io_context& context, const bucket::BucketLimit& limit) {
        return std::make_unique<bucket::RedisBucketStore>(
            context.get_executor(), server(), limit, prefix
        );
    };
}

contract::MakeStore memory_store() {
    return [](net::io_context&, const bucket::BucketLimit& limit) {
        return std::make_unique<bucket::MemoryBucketStore>(limit);
    };
}

}  // namespace

TEST_CASE("M2-M5, M11: buckets in Redis keep the contract") {
    contract::check_bucket_store(redis_store());
}

TEST_CASE("M2-M5: buckets in the process keep the contract") {
    contract::check_bucket_store(memory_store());
}

TEST_CASE("M11: servers that share a Redis share the limit of a key") {
    const auto make = redis_store();
    contract::Buckets one{make};
    contract::Buckets two{make};
    CHECK(one.consume("k", 6).admission.admitted);
    CHECK_FALSE(two.consume("k", 6).admission.admitted);
    CHECK(two.consume("k", 4).admission.admitted);
    two.reset("k");
    CHECK(one.check("k").remaining == 10);
}

TEST_CASE("M11: a server that is started with another limit begins with full buckets") {
    const auto make = redis_store();
    contract::Buckets before{make};
    before.consume("k", 10);
    auto limit = contract::still;
    limit.capacity = 20;
    contract::Buckets after{make, limit};
    CHECK(after.check("k", 20).admission.admitted);
    CHECK_FALSE(before.check("k").admission.admitted);
}

TEST_CASE("M3: threads that consume at once are admitted up to the capacity") {
    auto limit = contract::still;
    limit.capacity = 1000;
    bucket::MemoryBucketStore store{limit};
    std::atomic<int> admitted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            net::io_context context;
            for (int i = 0; i < 500; ++i) {
                const auto one = fixture::run(context, store.consume({"k", 1}));
                const auto two = fixture::run(context, store.consume_all({{"k", 1}}));
                admitted += one->admission.admitted + two->admission.admitted;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(admitted == 1000);
}

TEST_CASE("M26: buckets in Redis have no table of their own to show") {
    net::io_context context;
    CHECK_FALSE(redis_store()(context, contract::still)->occupancy().has_value());
}

TEST_CASE("M3: a Redis that cannot be reached admits nobody") {
    net::io_context context;
    bucket::RedisBucketStore store{
        context.get_executor(), redis::with_address("127.0.0.1:1"), contract::still};
    const auto found = fixture::run(context, store.consume({"k", 1}));
    REQUIRE_FALSE(found.has_value());
    CHECK(is_retryable(found.error().code));
    CHECK_FALSE(fixture::run(context, store.ping()).has_value());
}

TEST_CASE("M3: a Redis that takes connections and says nothing admits nobody") {
    net::io_context context;
    net::ip::tcp::acceptor silent{context, {net::ip::address_v4::loopback(), 0}};
    auto options = redis::with_address(
        "127.0.0.1:" + std::to_string(silent.local_endpoint().port())
    );
    options.connect_timeout = 200ms;
    options.request_timeout = 200ms;
    bucket::RedisBucketStore store{context.get_executor(), options, contract::still};
    CHECK_FALSE(fixture::run(context, store.consume({"k", 1})).has_value());
    CHECK_FALSE(fixture::run(context, store.consume_all({{"k", 1}})).has_value());
    CHECK_FALSE(fixture::run(context, store.reset("k")).has_value());
}
