// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_HARNESS_HTTP_CLIENT_HPP
#define RESILIENCE_TESTS_E2E_HARNESS_HTTP_CLIENT_HPP

#include <boost/json/value.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::e2e {

/// An answer; status 0 when the connection failed or was closed without one.
struct HttpReply {
    int status = 0;
    /// Names in lower case.
    std::map<std::string, std::string> headers;
    std::string body;

    std::string header(const std::string& name) const {
        const auto at = headers.find(name);
        return at == headers.end() ? std::string{} : at->second;
    }
    /// The body as JSON; null when it is not.
    boost::json::value json() const;
};

/// Calls a server on 127.0.0.1, one connection a call.
class HttpClient {
public:
    explicit HttpClient(
        int port, std::chrono::milliseconds timeout = std::chrono::seconds{30}
    )
        : port_(port), timeout_(timeout) {}

    HttpReply get(const std::string& target) const { return call("GET", target); }
    HttpReply post(const std::string& target, std::string body = {}) const {
        return call("POST", target, std::move(body));
    }
    HttpReply call(
        const std::string& method,
        const std::string& target,
        std::string body = {},
        const std::map<std::string, std::string>& headers = {}
    ) const;

    /// Sends the bytes as they are and reads until the server closes or `timeout` passes.
    std::string raw(std::string_view bytes, bool half_close = false) const;

private:
    int port_;
    std::chrono::milliseconds timeout_;
};

}  // namespace resilience::e2e

#endif
