// SPDX-License-Identifier: MIT
#include <modules/bucket/answers.hpp>

#include <host/text.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace resilience::modules::bucket {
namespace {

using host::Response;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Rounded up: whoever waits this long has waited long enough.
template <class Duration>
std::string ceil_text(nanoseconds time) {
    return std::to_string(std::chrono::ceil<Duration>(time).count());
}

seconds retry_after(const Admission& admission) {
    return std::max(seconds{1}, std::chrono::ceil<seconds>(admission.retry_after));
}

// Seconds in which an empty bucket fills.
std::uint64_t window(const BucketLimit& limit) {
    const auto whole =
        std::uint64_t{limit.capacity} * static_cast<std::uint64_t>(limit.period.count());
    return (whole + limit.tokens - 1) / limit.tokens;
}

void add_limit_headers(
    Response& response, const Decision& decision, const BucketLimit& limit
) {
    const std::string most = std::to_string(limit.capacity);
    const std::string left = std::to_string(decision.remaining);
    const seconds wait = decision.admission.admitted
                             ? std::chrono::ceil<seconds>(decision.time_to_full)
                             : retry_after(decision.admission);
    const std::string reset = std::to_string(wait.count());
    const auto add = [&response](const char* name, std::string value) {
        response.headers.emplace_back(name, std::move(value));
    };
    add("RateLimit-Policy",
        "\"bucket\";q=" + most + ";w=" + std::to_string(window(limit)));
    add("RateLimit", "\"bucket\";r=" + left + ";t=" + reset);
    add("X-RateLimit-Limit", most);
    add("X-RateLimit-Remaining", left);
    add("X-RateLimit-Reset", reset);
}

// A 429 problem with further members, which RFC 9457 allows. `members` is the inside of a
// JSON object.
Response refusal(
    const host::Request& http,
    host::Problem problem,
    const Admission& admission,
    std::string_view members
) {
    Response response{problem.status};
    response.content_type = "application/problem+json";
    response.body = host::render(problem, http.request_id);
    response.body.back() = ',';
    response.body.append(members) += '}';
    response.headers.emplace_back(
        "Retry-After", std::to_string(retry_after(admission).count())
    );
    return response;
}

std::string results_json(
    const std::vector<TokenRequest>& requests,
    const std::vector<Decision>& decisions,
    const BucketLimit& limit
) {
    std::string out = "\"results\":[";
    for (std::size_t i = 0; i < requests.size() && i < decisions.size(); ++i) {
        if (i > 0) out += ',';
        out += to_json(requests[i], decisions[i], limit);
    }
    return out += ']';
}

std::string_view truth(bool value) { return value ? "true" : "false"; }

}  // namespace

std::string to_json(
    const TokenRequest& request, const Decision& decision, const BucketLimit& limit
) {
    std::string out = "{\"key\":";
    host::append_json_string(out, request.key);
    out.append(",\"allowed\":").append(truth(decision.admission.admitted));
    out += ",\"tokens\":" + std::to_string(request.tokens);
    out += ",\"remaining\":" + std::to_string(decision.remaining);
    out += ",\"limit\":" + std::to_string(limit.capacity);
    out +=
        ",\"retry_after_ms\":" + ceil_text<milliseconds>(decision.admission.retry_after);
    out += ",\"reset_after_ms\":" + ceil_text<milliseconds>(decision.time_to_full);
    return out += R"(,"algorithm":"token_bucket"})";
}

Response consume_answer(
    const host::Request& http,
    const TokenRequest& request,
    const Decision& decision,
    const BucketLimit& limit
) {
    if (decision.admission) return state_answer(request, decision, limit);
    const std::string json = to_json(request, decision, limit);
    Response response = refusal(
        http,
        host::too_many_requests("the bucket holds too few tokens", milliseconds{0}),
        decision.admission,
        std::string_view{json}.substr(1, json.size() - 2)
    );
    add_limit_headers(response, decision, limit);
    return response;
}

Response state_answer(
    const TokenRequest& request, const Decision& decision, const BucketLimit& limit
) {
    Response response = host::json_text(200, to_json(request, decision, limit));
    add_limit_headers(response, decision, limit);
    return response;
}

Response each_answer(
    const std::vector<TokenRequest>& requests,
    const std::vector<Decision>& decisions,
    const BucketLimit& limit
) {
    const bool all = std::ranges::all_of(decisions, [](const Decision& each) {
        return each.admission.admitted;
    });
    std::string out = "{\"atomic\":false,\"allowed\":";
    out.append(truth(all)) += ',';
    return host::json_text(200, out + results_json(requests, decisions, limit) + '}');
}

Response group_answer(
    const host::Request& http,
    const std::vector<TokenRequest>& requests,
    const GroupDecision& group,
    const BucketLimit& limit
) {
    std::string members = "\"atomic\":true,\"allowed\":";
    members.append(truth(group.admission.admitted)) += ',';
    members += results_json(requests, group.decisions, limit);
    if (group.admission) return host::json_text(200, '{' + members + '}');
    auto problem = host::too_many_requests(
        "a bucket holds too few tokens; nothing was taken", milliseconds{0}
    );
    problem.field = "requests[" + std::to_string(group.binding) + "]";
    return refusal(http, std::move(problem), group.admission, members);
}

Response reset_answer(const std::string& key, const BucketLimit& limit) {
    const Decision full{Admission::admit(), limit.capacity, {}};
    return host::json_text(200, to_json({key, 0}, full, limit));
}

}  // namespace resilience::modules::bucket
