// SPDX-License-Identifier: MIT
#include "host/response.hpp"

#include "host/text.hpp"

#include <boost/beast/http/status.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace resilience::host {

std::optional<std::string_view> Response::header(std::string_view name) const noexcept {
    for (const auto& [key, value] : headers) {
        if (equal_in_any_case(key, name)) return value;
    }
    return std::nullopt;
}

Response json_text(unsigned status, std::string text) {
    Response response{status};
    response.content_type = "application/json";
    response.body = std::move(text);
    return response;
}

Response json_response(unsigned status, const boost::json::value& value) {
    return json_text(status, boost::json::serialize(value));
}

Response text_response(unsigned status, std::string text) {
    Response response{status};
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(text);
    return response;
}

std::string_view reason_phrase(unsigned status) noexcept {
    namespace http = boost::beast::http;
    const auto known = http::int_to_status(status);
    if (known == http::status::unknown) return "Unknown";
    const auto text = http::obsolete_reason(known);
    return {text.data(), text.size()};
}

}  // namespace resilience::host
