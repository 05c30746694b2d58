// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_RESPONSE_HPP
#define RESILIENCE_HOST_RESPONSE_HPP

#include "host/problem.hpp"

#include <boost/json/fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::host {

/** What a handler answers.

    The host adds `Content-Length`, `Date`, `Server`, `X-Request-Id` and `traceparent`,
   and renders the problem when there is one. A control character in a header value is
   sent as a space.
*/
struct Response {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    /// Rendered in place of `body`; its status is the answer's.
    std::optional<Problem> problem;
    /// Closes the connection after the answer. Default false.
    bool close = false;

    Response() = default;
    /// Makes an answer without a body.
    explicit Response(unsigned code) : status(code) {}
    /// Lets a handler `co_return` a problem.
    Response(Problem p)  // NOLINT(google-explicit-constructor)
        : status(p.status), problem(std::move(p)) {}

    /// Adds a header field and returns the answer, for chaining.
    Response&& with(std::string name, std::string value) && {
        headers.emplace_back(std::move(name), std::move(value));
        return std::move(*this);
    }

    /// The first header field called `name`, in any case.
    std::optional<std::string_view> header(std::string_view name) const noexcept;
};

/// Makes an answer of JSON text that is already written.
Response json_text(unsigned status, std::string text);

/// Makes an answer of a JSON value.
Response json_response(unsigned status, const boost::json::value& value);

/// Makes an answer of plain UTF-8 text.
Response text_response(unsigned status, std::string text);

/// The standard phrase of a status code, such as "Not Found"; "Unknown" for others.
std::string_view reason_phrase(unsigned status) noexcept;

}  // namespace resilience::host

#endif
