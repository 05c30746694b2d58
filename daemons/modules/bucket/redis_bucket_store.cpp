// SPDX-License-Identifier: MIT
#include <modules/bucket/redis_bucket_store.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience::modules::bucket {
namespace {

redis::TokenBucketStoreOptions options_of(
    const BucketLimit& limit, const std::string& prefix
) {
    redis::TokenBucketStoreOptions options;
    options.tokens = limit.tokens;
    options.period = limit.period;
    options.burst = limit.capacity;
    options.prefix = prefix + std::to_string(limit.capacity) + ':' +
                     std::to_string(limit.tokens) + '/' +
                     std::to_string(limit.period.count()) + "s:";
    return options;
}

Decision decision_of(const redis::BucketDecision& from) {
    return {from.admission, from.remaining, from.time_to_full};
}

std::vector<Decision> decisions_of(const std::vector<redis::BucketDecision>& from) {
    std::vector<Decision> decisions;
    decisions.reserve(from.size());
    for (const auto& each : from) decisions.push_back(decision_of(each));
    return decisions;
}

std::vector<redis::BucketRequest> requests_of(std::vector<TokenRequest> from) {
    std::vector<redis::BucketRequest> requests;
    requests.reserve(from.size());
    for (auto& each : from) requests.push_back({std::move(each.key), each.tokens});
    return requests;
}

}  // namespace

RedisBucketStore::RedisBucketStore(
    net::any_io_executor executor,
    redis::ConnectionOptions options,
    const BucketLimit& limit,
    const std::string& prefix
)
    : connection_(std::move(executor), std::move(options)),
      buckets_(connection_, options_of(limit, prefix)) {}

net::awaitable<Result<Decision>> RedisBucketStore::check(TokenRequest request) {
    const auto found =
        co_await buckets_.async_check(request.key, request.tokens, net::use_awaitable);
    if (!found) co_return found.error();
    co_return decision_of(*found);
}

net::awaitable<Result<Decision>> RedisBucketStore::consume(TokenRequest request) {
    const auto found =
        co_await buckets_.async_consume(request.key, request.tokens, net::use_awaitable);
    if (!found) co_return found.error();
    co_return decision_of(*found);
}

net::awaitable<Result<std::vector<Decision>>> RedisBucketStore::consume_each(
    std::vector<TokenRequest> requests
) {
    const auto found = co_await buckets_.async_consume_each(
        requests_of(std::move(requests)), net::use_awaitable
    );
    if (!found) co_return found.error();
    co_return decisions_of(*found);
}

net::awaitable<Result<GroupDecision>> RedisBucketStore::consume_all(
    std::vector<TokenRequest> requests
) {
    const auto found = co_await buckets_.async_consume_all(
        requests_of(std::move(requests)), net::use_awaitable
    );
    if (!found) co_return found.error();
    co_return GroupDecision{
        found->admission, found->binding, decisions_of(found->buckets)};
}

net::awaitable<Result<void>> RedisBucketStore::reset(std::string key) {
    co_return co_await buckets_.async_reset(key, net::use_awaitable);
}

net::awaitable<Result<void>> RedisBucketStore::ping() {
    std::vector<std::string> command{"PING"};
    const auto reply =
        co_await connection_.async_command(std::move(command), net::use_awaitable);
    if (!reply) co_return reply.error();
    if (reply->is_error()) co_return fail(Errc::unavailable, reply->text);
    co_return Result<void>{};
}

}  // namespace resilience::modules::bucket
