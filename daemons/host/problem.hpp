// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_PROBLEM_HPP
#define RESILIENCE_HOST_PROBLEM_HPP

#include <resilience/error.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::host {

/** An error as clients see it: RFC 9457, `application/problem+json`.

    `type` is `urn:resilience:problem:` and the slug, and never changes; clients decide by
    it. `instance` is the request's id.
*/
struct Problem {
    unsigned status = 500;
    /// The stable end of the type, such as `invalid-field`.
    std::string slug = "internal";
    /// The same for each problem of this type.
    std::string title;
    /// What went wrong this time, for people. May be empty.
    std::string detail = {};
    /// The body's field or the parameter at fault. May be empty.
    std::string field = {};
    /// Sent as `Retry-After`, rounded up to whole seconds.
    std::optional<std::chrono::milliseconds> retry_after = {};
    /// For the log alone: the server's or the system's own words.
    std::string cause = {};
    /// Logged at `error`: no wait helps, somebody has to act. Default false.
    bool needs_operator = false;
};

/// 400: the request is not what the route takes, in no one field.
Problem bad_request(std::string detail);
/// 400: one field of the body or one parameter is missing, malformed or out of range.
Problem invalid_field(std::string field, std::string detail);
/// 404.
Problem not_found(std::string detail);
/// 409.
Problem conflict(std::string detail, std::string field = {});
/// 422: well formed, and cannot be done whenever it is asked.
Problem unprocessable(std::string detail, std::string field = {});
/// 429.
Problem too_many_requests(std::string detail, std::chrono::milliseconds retry_after);
/// 503.
Problem unavailable(
    std::string detail, std::chrono::milliseconds retry_after = std::chrono::seconds{1}
);
/// 500; clients learn nothing more.
Problem internal_error(std::string cause);

/** Says how a failed call is answered. The one place where this is decided.

    | failure | status | slug |
    |---|---|---|
    | `not_found` | 404 | `not-found` |
    | `already_exists` | 409 | `conflict` |
    | `invalid_request` | 400 | `bad-request` |
    | `too_large` | 413 | `too-large` |
    | `connection_lost`, `timed_out_in_doubt`, `cancelled_in_doubt` | 503 |
   `outcome-unknown` | | `storage_full` | 503 | `storage-full` | | `corrupt_data`,
   `internal`, a foreign category | 500 | `internal` | | all others | 503 | `unavailable`
   |

    A 503 carries `Retry-After`. What the server said goes to `cause`, never to clients.
*/
Problem problem_of(const Failure& failure);

/// The body: a JSON object with type, title, status and, when not empty, detail, field,
/// instance.
std::string render(const Problem& problem, std::string_view instance);

}  // namespace resilience::host

#endif
