// SPDX-License-Identifier: MIT
#include "host/problem.hpp"

#include "host/text.hpp"

#include <utility>

namespace resilience::host {

using namespace std::chrono_literals;

Problem bad_request(std::string detail) {
    return {400, "bad-request", "The request is malformed", std::move(detail)};
}

Problem invalid_field(std::string field, std::string detail) {
    return {
        400, "invalid-field", "A field is invalid", std::move(detail), std::move(field)};
}

Problem not_found(std::string detail) {
    return {404, "not-found", "Not found", std::move(detail)};
}

Problem conflict(std::string detail, std::string field) {
    return {
        409, "conflict", "The value exists already", std::move(detail), std::move(field)};
}

Problem unprocessable(std::string detail, std::string field) {
    return {
        422,
        "unprocessable",
        "The request can never be met",
        std::move(detail),
        std::move(field)};
}

Problem too_many_requests(std::string detail, std::chrono::milliseconds retry_after) {
    return {
        429, "quota-exceeded", "Too many requests", std::move(detail), {}, retry_after};
}

Problem unavailable(std::string detail, std::chrono::milliseconds retry_after) {
    return {
        503,
        "unavailable",
        "The service is not available at the moment",
        std::move(detail),
        {},
        retry_after};
}

Problem internal_error(std::string cause) {
    return {500, "internal", "Internal error", {}, {}, {}, std::move(cause)};
}

Problem problem_of(const Failure& failure) {
    if (failure.code.category() != error_category()) {
        return internal_error(failure.message());
    }
    Problem problem;
    switch (static_cast<Errc>(failure.code.value())) {
        case Errc::not_found:
            problem = not_found("no such thing was found");
            break;
        case Errc::already_exists:
            problem = conflict("the value exists already");
            break;
        case Errc::invalid_request:
            problem = bad_request("the request breaks a rule of the store");
            break;
        case Errc::too_large:
            problem = {413, "too-large", "Too large", "the store does not take so much"};
            break;
        case Errc::connection_lost:
        case Errc::timed_out_in_doubt:
        case Errc::cancelled_in_doubt:
            problem = {
                503,
                "outcome-unknown",
                "The outcome is not known",
                "no answer came in time; the effect may have happened",
                {},
                1s};
            break;
        case Errc::storage_full:
            problem = {
                503,
                "storage-full",
                "The storage takes no more",
                "nothing was written",
                {},
                30s};
            break;
        case Errc::corrupt_data:
        case Errc::internal:
            return internal_error(failure.message());
        default:
            problem = unavailable("a part this request needs cannot be reached");
            break;
    }
    problem.cause = failure.message();
    return problem;
}

std::string render(const Problem& problem, std::string_view instance) {
    std::string out =
        R"({"type":"urn:resilience:problem:)" + problem.slug + R"(","title":)";
    append_json_string(out, problem.title);
    out += R"(,"status":)" + std::to_string(problem.status);
    const auto add = [&](std::string_view name, std::string_view text) {
        if (text.empty()) return;
        out += ",\"";
        out += name;
        out += "\":";
        append_json_string(out, text);
    };
    add("detail", problem.detail);
    add("field", problem.field);
    add("instance", instance);
    out += '}';
    return out;
}

}  // namespace resilience::host
