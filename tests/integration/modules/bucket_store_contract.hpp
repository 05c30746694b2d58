// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_MODULES_BUCKET_STORE_CONTRACT_HPP
#define RESILIENCE_TESTS_INTEGRATION_MODULES_BUCKET_STORE_CONTRACT_HPP

#include "environment.hpp"

#include <modules/bucket/bucket_store.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace contract {

namespace bucket = resilience::modules::bucket;
namespace net = boost::asio;

using MakeStore = std::function<
    std::unique_ptr<bucket::BucketStore>(net::io_context&, const bucket::BucketLimit&)>;

/// One token in eleven days: none arrives while a test runs.
inline constexpr bucket::BucketLimit still{
    .capacity = 10, .tokens = 1, .period = std::chrono::seconds{1'000'000}};

/// The contract's view of a store: synchronous, and failing the test on an error.
class Buckets {
public:
    explicit Buckets(const MakeStore& make, bucket::BucketLimit limit = still)
        : store_(make(context, limit)) {}

    net::io_context context;

    bucket::BucketStore& operator*() { return *store_; }

    bucket::Decision check(std::string key, std::uint32_t tokens = 1) {
        return good(fixture::run(context, store_->check({std::move(key), tokens})));
    }
    bucket::Decision consume(std::string key, std::uint32_t tokens = 1) {
        return good(fixture::run(context, store_->consume({std::move(key), tokens})));
    }
    std::vector<bucket::Decision> each(std::vector<bucket::TokenRequest> requests) {
        return good(fixture::run(context, store_->consume_each(std::move(requests))));
    }
    bucket::GroupDecision all(std::vector<bucket::TokenRequest> requests) {
        return good(fixture::run(context, store_->consume_all(std::move(requests))));
    }
    void reset(std::string key) {
        const auto done = fixture::run(context, store_->reset(std::move(key)));
        if (!done) FAIL("reset: ", done.error().message());
    }

private:
    template <class T>
    static T good(resilience::Result<T> result) {
        if (!result) FAIL("the store failed: ", result.error().message());
        return std::move(*result);
    }

    std::unique_ptr<bucket::BucketStore> store_;
};

/// What every store of buckets does; call it in a test case of each implementation.
inline void check_bucket_store(const MakeStore& make) {
    using namespace std::chrono_literals;
    Buckets buckets{make};
    const std::string key = "a \"k\xc3\xa9y\" {}";

    SUBCASE("check takes nothing") {
        for (int i = 0; i < 15; ++i) CHECK(buckets.check(key).remaining == 10);
        CHECK(buckets.check(key).admission.admitted);
        CHECK(buckets.check(key).time_to_full == 0ns);
    }

    SUBCASE("consume takes all or nothing and says how long to wait") {
        const auto first = buckets.consume(key, 7);
        CHECK(first.admission.admitted);
        CHECK(first.remaining == 3);
        CHECK(first.time_to_full > 6'999'000s);
        CHECK(first.time_to_full <= 7'000'000s);
        const auto second = buckets.consume(key, 4);
        CHECK_FALSE(second.admission.admitted);
        CHECK(second.admission.retry_after > 999'000s);
        CHECK(second.admission.retry_after <= 1'000'000s);
        CHECK(second.remaining == 3);
        CHECK(buckets.consume(key, 3).admission.admitted);
        CHECK(buckets.check("another").remaining == 10);
    }

    SUBCASE("more than a bucket holds is refused for ever") {
        CHECK_FALSE(buckets.consume(key, 11).admission.possible());
        CHECK(buckets.check(key).remaining == 10);
    }

    SUBCASE("reset fills the bucket") {
        buckets.consume(key, 10);
        buckets.reset(key);
        CHECK(buckets.check(key).remaining == 10);
        buckets.reset("never seen");
    }

    SUBCASE("requests one by one are decided in their order") {
        const auto decisions = buckets.each({{key, 6}, {"b", 1}, {key, 5}, {key, 4}});
        REQUIRE(decisions.size() == 4);
        CHECK(decisions[0].admission.admitted);
        CHECK(decisions[1].remaining == 9);
        CHECK_FALSE(decisions[2].admission.admitted);
        CHECK(decisions[3].admission.admitted);
        CHECK(decisions[3].remaining == 0);
    }

    SUBCASE("a group takes from all or from none") {
        buckets.consume("b", 8);
        const auto refused = buckets.all({{key, 2}, {"b", 5}, {"c", 1}});
        CHECK_FALSE(refused.admission.admitted);
        CHECK(refused.binding == 1);
        CHECK(refused.admission.retry_after > 2'999'000s);
        CHECK(refused.decisions.size() == 3);
        CHECK(buckets.check(key).remaining == 10);
        CHECK(buckets.check("b").remaining == 2);
        CHECK(buckets.check("c").remaining == 10);
        const auto admitted = buckets.all({{key, 2}, {"b", 2}, {key, 3}});
        CHECK(admitted.admission.admitted);
        REQUIRE(admitted.decisions.size() == 3);
        CHECK(buckets.check(key).remaining == 5);
        CHECK(buckets.check("b").remaining == 0);
    }

    SUBCASE("requests of a group for one key add up") {
        const auto refused = buckets.all({{key, 6}, {"b", 1}, {key, 5}});
        CHECK_FALSE(refused.admission.possible());
        CHECK(buckets.check(key).remaining == 10);
        CHECK(buckets.check("b").remaining == 10);
    }

    SUBCASE("a thousand requests at once are taken") {
        std::vector<bucket::TokenRequest> many;
        for (int i = 0; i < 1000; ++i) many.push_back({"many " + std::to_string(i), 1});
        for (const auto& each : buckets.each(many)) CHECK(each.remaining == 9);
        CHECK(buckets.all(many).admission.admitted);
        CHECK(buckets.check("many 999").remaining == 8);
    }

    SUBCASE("consumers at once are admitted up to the capacity and no further") {
        std::vector<net::awaitable<resilience::Result<bucket::Decision>>> works;
        for (int i = 0; i < 100; ++i) works.push_back((*buckets).consume({key, 1}));
        int admitted = 0;
        for (const auto& each : fixture::run_all(buckets.context, std::move(works))) {
            REQUIRE(each.has_value());
            admitted += each->admission.admitted ? 1 : 0;
        }
        CHECK(admitted == 10);
    }

    SUBCASE("groups at once are admitted up to the capacity and no further") {
        std::vector<net::awaitable<resilience::Result<bucket::GroupDecision>>> works;
        for (int i = 0; i < 50; ++i) {
            const bool swap = i % 2 == 0;
            works.push_back(
                (*buckets).consume_all({{swap ? "x" : "y", 3}, {swap ? "y" : "x", 3}})
            );
        }
        int admitted = 0;
        for (const auto& each : fixture::run_all(buckets.context, std::move(works))) {
            REQUIRE(each.has_value());
            admitted += each->admission.admitted ? 1 : 0;
        }
        CHECK(admitted == 3);
        CHECK(buckets.check("x").remaining == 1);
        CHECK(buckets.check("y").remaining == 1);
    }

    SUBCASE("the store answers for its health") {
        CHECK(fixture::run(buckets.context, (*buckets).ping()).has_value());
    }
}

}  // namespace contract

#endif
