// SPDX-License-Identifier: MIT
#include <host/answers.hpp>
#include <host/problem.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

namespace resilience::host {
namespace {

TEST_CASE("Each failure has its answer") {
    struct Row {
        Errc code;
        unsigned status;
        std::string_view slug;
    };
    for (const Row& row : {
             Row{Errc::unavailable, 503, "unavailable"},
             Row{Errc::connection_lost, 503, "outcome-unknown"},
             Row{Errc::timed_out, 503, "unavailable"},
             Row{Errc::timed_out_in_doubt, 503, "outcome-unknown"},
             Row{Errc::cancelled, 503, "unavailable"},
             Row{Errc::cancelled_in_doubt, 503, "outcome-unknown"},
             Row{Errc::queue_full, 503, "unavailable"},
             Row{Errc::closed, 503, "unavailable"},
             Row{Errc::access_denied, 503, "unavailable"},
             Row{Errc::already_exists, 409, "conflict"},
             Row{Errc::not_found, 404, "not-found"},
             Row{Errc::serialization_conflict, 503, "unavailable"},
             Row{Errc::invalid_request, 400, "bad-request"},
             Row{Errc::too_large, 413, "too-large"},
             Row{Errc::bad_destination, 503, "unavailable"},
             Row{Errc::storage_full, 503, "storage-full"},
             Row{Errc::protocol_error, 503, "unavailable"},
             Row{Errc::corrupt_data, 500, "internal"},
             Row{Errc::internal, 500, "internal"},
         }) {
        const Problem problem = problem_of(fail(row.code, "password=x"));
        CAPTURE(make_error_code(row.code).message());
        CHECK(problem.status == row.status);
        CHECK(problem.slug == row.slug);
        CHECK(problem.retry_after.has_value() == (row.status == 503));
        CHECK(problem.cause.find("password=x") != std::string::npos);
        CHECK(render(problem, "id").find("password") == std::string::npos);
    }
    const Failure foreign{std::make_error_code(std::errc::io_error), ""};
    CHECK(problem_of(foreign).status == 500);
}

TEST_CASE("A problem is rendered as RFC 9457 says") {
    const Problem problem = invalid_field("email", "email must \"have\" an @\n\xff");
    const auto value = boost::json::parse(render(problem, "req-1"));
    const auto& object = value.as_object();
    CHECK(object.at("type").as_string() == "urn:resilience:problem:invalid-field");
    CHECK(object.at("status").as_int64() == 400);
    CHECK(object.at("title").as_string() == "A field is invalid");
    CHECK(object.at("detail").as_string() == "email must \"have\" an @\n\xef\xbf\xbd");
    CHECK(object.at("field").as_string() == "email");
    CHECK(object.at("instance").as_string() == "req-1");
}

TEST_CASE("M3: Retry-After is rounded up to whole seconds") {
    Request request{Method::get, "/"};
    Response response = too_many_requests("slow down", std::chrono::milliseconds{1001});
    finish(response, request);
    CHECK(response.status == 429);
    CHECK(response.header("Retry-After") == "2");
}

}  // namespace
}  // namespace resilience::host
