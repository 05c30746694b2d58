// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_ANSWERS_HPP
#define RESILIENCE_MODULES_BUCKET_ANSWERS_HPP

#include <host/request.hpp>
#include <host/response.hpp>
#include <modules/bucket/bucket_store.hpp>

#include <string>
#include <vector>

namespace resilience::modules::bucket {

/// What was decided for one key: one JSON object.
std::string to_json(
    const TokenRequest& request, const Decision& decision, const BucketLimit& limit
);

/** Answers a `consume` (M3).

    A refusal to give tokens is a 429 problem that also has the members of @ref to_json.
    Every answer carries `RateLimit` and `RateLimit-Policy` of the IETF draft and
   `X-RateLimit-*` (X17), from the one decision. Their reset is the time to a full bucket
   or, in a refusal, `Retry-After`: whoever waits for either of the two is served.
*/
host::Response consume_answer(
    const host::Request& http,
    const TokenRequest& request,
    const Decision& decision,
    const BucketLimit& limit
);

/// Answers with what was decided, as a 200: a `check` (M2) refuses nothing.
host::Response state_answer(
    const TokenRequest& request, const Decision& decision, const BucketLimit& limit
);

/// Answers requests that were decided one by one (M5): 200 with a result for each.
host::Response each_answer(
    const std::vector<TokenRequest>& requests,
    const std::vector<Decision>& decisions,
    const BucketLimit& limit
);

/// Answers requests that were decided together: 200, or a 429 problem that names the
/// request which has to wait longest.
host::Response group_answer(
    const host::Request& http,
    const std::vector<TokenRequest>& requests,
    const GroupDecision& group,
    const BucketLimit& limit
);

/// Answers that a bucket was filled (M4).
host::Response reset_answer(const std::string& key, const BucketLimit& limit);

}  // namespace resilience::modules::bucket

#endif
