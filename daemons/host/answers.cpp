// SPDX-License-Identifier: MIT
#include "host/answers.hpp"

#include "host/text.hpp"

#include <resilience/error.hpp>

#include <boost/system/system_error.hpp>

#include <system_error>

namespace resilience::host {

Response answer_without_route(const Router::Match& match, const Request& request) {
    if (match.allow.empty()) return not_found("there is nothing at this path");
    Response response{204};
    if (request.method != Method::options) {
        response = Problem{
            405,
            "method-not-allowed",
            "The method is not allowed",
            "this path takes " + match.allow};
    }
    return std::move(response).with("Allow", match.allow);
}

std::optional<Response> refuse_coding(const Request& request) {
    const auto coding = request.header("Content-Encoding");
    if (!coding || request.body.empty()) return std::nullopt;
    if (request.header_count("Content-Encoding") == 1 &&
        equal_in_any_case(*coding, "identity")) {
        return std::nullopt;
    }
    Response response = Problem{
        415,
        "unsupported-content-coding",
        "The body is encoded",
        "the body must come without a content coding"};
    return std::move(response).with("Accept-Encoding", "identity");
}

Response answer_to_exception(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        if (e.code() == boost::asio::error::operation_aborted) {
            return unavailable("the request took too long");
        }
        return internal_error(e.what());
    } catch (const std::system_error& e) {
        // `Result::value()` throws these.
        return problem_of({e.code(), e.what()});
    } catch (const std::exception& e) {
        return internal_error(e.what());
    } catch (...) {
        return internal_error("an exception of an unknown type");
    }
}

void finish(Response& response, const Request& request) {
    if (!response.problem) return;
    const Problem& problem = *response.problem;
    response.status = problem.status;
    response.content_type = "application/problem+json";
    response.body = render(problem, request.request_id);
    if (problem.retry_after) {
        const auto seconds =
            std::chrono::ceil<std::chrono::seconds>(*problem.retry_after);
        response.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
    }
}

}  // namespace resilience::host
