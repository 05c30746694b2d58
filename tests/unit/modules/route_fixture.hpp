// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_ROUTE_FIXTURE_HPP
#define RESILIENCE_TESTS_ROUTE_FIXTURE_HPP

#include <host/router.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace fixture {

namespace net = boost::asio;
namespace json = boost::json;
namespace host = resilience::host;

/// Runs `work` on `context` until it has ended and returns what it returned.
template <class T>
T run(net::io_context& context, net::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr error;
    net::co_spawn(context, std::move(work), [&](std::exception_ptr thrown, T value) {
        error = thrown;
        if (!thrown) result.emplace(std::move(value));
    });
    context.restart();
    while (!result && !error && context.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    if (!result) throw std::logic_error("the context ran out of work");
    return std::move(*result);
}

/// Routes and what they need, without a server.
struct Routes {
    static constexpr std::string_view traceparent =
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    net::io_context context{1};
    resilience::prometheus::Metrics metrics;
    host::Router router;

    host::Response send(host::Request& request) {
        request.request_id = "test-1";
        request.trace = host::TraceContext::continued(traceparent, {1, 2, 3});
        return run(context, router.dispatch(request));
    }

    host::Response send(host::Method method, std::string_view target) {
        host::Request request{method, target};
        return send(request);
    }

    host::Response send(host::Method method, std::string_view target, std::string body) {
        host::Request request{method, target};
        request.add_header("Content-Type", "application/json");
        request.body = std::move(body);
        return send(request);
    }

    host::Response get(std::string_view target) {
        return send(host::Method::get, target);
    }
    host::Response post(std::string_view target) {
        return send(host::Method::post, target);
    }
    host::Response post(std::string_view target, std::string body) {
        return send(host::Method::post, target, std::move(body));
    }
    host::Response put(std::string_view target, std::string body) {
        return send(host::Method::put, target, std::move(body));
    }

    bool counted(std::string_view line) const {
        return metrics.serialize().find(line) != std::string::npos;
    }
};

inline json::object object_of(const host::Response& response) {
    return json::parse(response.body).as_object();
}

/// A member of the answer's object as text; empty when there is none.
inline std::string text_of(const host::Response& response, std::string_view name) {
    const auto object = object_of(response);
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return {};
    return std::string{value->get_string().data(), value->get_string().size()};
}

inline std::int64_t number_of(const host::Response& response, std::string_view name) {
    return object_of(response).at(name).as_int64();
}

inline std::string header_of(const host::Response& response, std::string_view name) {
    return std::string{response.header(name).value_or("")};
}

/// Checks that an answer is a problem of this status and type.
inline void check_problem(
    const host::Response& response, unsigned status, std::string_view slug
) {
    CHECK(response.status == status);
    CHECK(response.content_type == "application/problem+json");
    CHECK(text_of(response, "type") == "urn:resilience:problem:" + std::string{slug});
}

}  // namespace fixture

#endif
