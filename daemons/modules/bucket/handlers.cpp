// SPDX-License-Identifier: MIT
#include <modules/bucket/handlers.hpp>

#include <host/json_body.hpp>
#include <modules/bucket/answers.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <boost/json/array.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace resilience::modules::bucket {
namespace {

using host::Request;
using host::Response;

constexpr std::size_t most_requests = 1000;
constexpr host::TextRule key_rule{.max_bytes = 256};

std::string_view result_of(unsigned status) {
    if (status < 300) return "allowed";
    if (status == 429) return "refused";
    return status < 500 ? "invalid" : "unavailable";
}

// `key` and `tokens` of a query.
TokenRequest read_request(host::QueryReader& query) {
    TokenRequest request;
    request.key = query.string("key", key_rule);
    request.tokens =
        static_cast<std::uint32_t>(query.integer_or("tokens", 1, 1, most_tokens));
    return request;
}

std::vector<TokenRequest> read_requests(host::JsonBody& body) {
    std::vector<TokenRequest> requests;
    const auto* list = body.array("requests", most_requests);
    if (list == nullptr) return requests;
    if (list->empty()) body.refuse("requests", "must not be empty");
    requests.reserve(list->size());
    for (std::size_t i = 0; i < list->size() && !body.failed(); ++i) {
        host::JsonBody item{(*list)[i], "requests[" + std::to_string(i) + "]"};
        TokenRequest request;
        request.key = item.string("key", key_rule);
        request.tokens =
            static_cast<std::uint32_t>(item.integer_or("tokens", 1, 1, most_tokens));
        if (item.failed()) body.refuse(item.problem());
        requests.push_back(std::move(request));
    }
    return requests;
}

host::Problem problem_of(const Failure& failure) {
    host::Problem problem = host::problem_of(failure);
    if (failure == Errc::corrupt_data) {
        problem.status = 503;
        problem.slug = "corrupt-data";
        problem.title = "The stored data cannot be read";
        problem.detail = "what is stored for a key is not a bucket; reset that key";
        problem.retry_after = std::chrono::seconds{30};
        problem.needs_operator = true;
    }
    return problem;
}

host::Problem beyond_capacity(std::string field, const BucketLimit& limit) {
    std::string detail = field + " is more than the " + std::to_string(limit.capacity) +
                         " tokens of a full bucket";
    return host::unprocessable(std::move(detail), std::move(field));
}

// The first request that no wait helps: alone or, when all are taken together, added to
// the earlier ones of its key.
std::optional<host::Problem> find_impossible(
    const std::vector<TokenRequest>& requests, bool atomic, const BucketLimit& limit
) {
    std::map<std::string_view, std::uint64_t> sums;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        std::uint64_t wanted = requests[i].tokens;
        if (atomic) wanted = sums[requests[i].key] += wanted;
        if (wanted > limit.capacity) {
            return beyond_capacity("requests[" + std::to_string(i) + "].tokens", limit);
        }
    }
    return std::nullopt;
}

}  // namespace

Handlers::Handlers(prometheus::Metrics& metrics, BucketStore& store, BucketLimit limit)
    : store_(store),
      limit_(limit),
      requests_(metrics.counters(
          "bucket_requests_total",
          "Requests for tokens by what was asked and how it ended",
          {"operation", "result"}
      )),
      consumed_(
          metrics.counter("bucket_tokens_consumed_total", "Tokens that were given out")
      ) {}

Response Handlers::counted(std::string_view operation, Response response) const {
    requests_.with({operation, result_of(response.status)}).add();
    return response;
}

net::awaitable<Response> Handlers::check(Request& request) {
    host::QueryReader query{request};
    const TokenRequest wanted = read_request(query);
    if (query.failed()) co_return counted("check", query.problem());
    if (wanted.tokens > limit_.capacity) {
        co_return counted("check", beyond_capacity("tokens", limit_));
    }
    const auto found = co_await store_.check(wanted);
    if (!found) co_return counted("check", problem_of(found.error()));
    co_return counted("check", state_answer(wanted, *found, limit_));
}

net::awaitable<Response> Handlers::consume(Request& request) {
    host::QueryReader query{request};
    const TokenRequest wanted = read_request(query);
    if (query.failed()) co_return counted("consume", query.problem());
    if (wanted.tokens > limit_.capacity) {
        co_return counted("consume", beyond_capacity("tokens", limit_));
    }
    const auto found = co_await store_.consume(wanted);
    if (!found) co_return counted("consume", problem_of(found.error()));
    if (found->admission) consumed_.add(wanted.tokens);
    co_return counted("consume", consume_answer(request, wanted, *found, limit_));
}

net::awaitable<Response> Handlers::reset(Request& request) {
    std::string key;
    std::optional<host::Problem> problem;
    if (request.query_count("key") > 0 || request.body.empty()) {
        host::QueryReader query{request};
        key = query.string("key", key_rule);
        if (query.failed()) problem = query.problem();
    }
    if (!problem && !request.body.empty()) {
        host::JsonBody body{request};
        if (key.empty()) {
            key = body.string("key", key_rule);
        } else if (body.has("key")) {
            body.refuse("key", "is given in the query and in the body");
        }
        if (body.failed()) problem = body.problem();
    }
    if (problem) co_return counted("reset", std::move(*problem));
    const auto done = co_await store_.reset(key);
    if (!done) co_return counted("reset", problem_of(done.error()));
    co_return counted("reset", reset_answer(key, limit_));
}

net::awaitable<Response> Handlers::bulk_consume(Request& request) {
    host::JsonBody body{request};
    const bool atomic = body.boolean_or("atomic", false);
    auto requests = read_requests(body);
    if (body.failed()) co_return counted("bulk_consume", body.problem());
    if (auto problem = find_impossible(requests, atomic, limit_)) {
        co_return counted("bulk_consume", std::move(*problem));
    }
    if (atomic) {
        co_return counted(
            "bulk_consume", co_await consume_all(request, std::move(requests))
        );
    }
    co_return counted("bulk_consume", co_await consume_each(std::move(requests)));
}

net::awaitable<Response> Handlers::consume_each(std::vector<TokenRequest> requests) {
    const auto decisions = co_await store_.consume_each(requests);
    if (!decisions) co_return problem_of(decisions.error());
    for (std::size_t i = 0; i < decisions->size(); ++i) {
        if ((*decisions)[i].admission) consumed_.add(requests[i].tokens);
    }
    co_return each_answer(requests, *decisions, limit_);
}

net::awaitable<Response> Handlers::consume_all(
    Request& request, std::vector<TokenRequest> requests
) {
    const auto group = co_await store_.consume_all(requests);
    if (!group) co_return problem_of(group.error());
    if (group->admission) {
        for (const auto& each : requests) consumed_.add(each.tokens);
    }
    co_return group_answer(request, requests, *group, limit_);
}

}  // namespace resilience::modules::bucket
