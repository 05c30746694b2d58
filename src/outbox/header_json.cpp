// SPDX-License-Identifier: MIT
#include <resilience/detail/header_json.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string>

namespace resilience::detail {

std::vector<Header> read_headers(std::string_view json) {
    std::vector<Header> headers;
    if (json == "{}") return headers;
    boost::json::error_code error;
    const auto parsed = boost::json::parse({json.data(), json.size()}, error);
    // A foreign writer may have stored something else.
    if (error || !parsed.is_object()) return headers;
    for (const auto& [name, value] : parsed.get_object()) {
        headers.emplace_back(
            std::string{name},
            value.is_string() ? std::string{value.get_string()}
                              : boost::json::serialize(value)
        );
    }
    return headers;
}

}  // namespace resilience::detail
