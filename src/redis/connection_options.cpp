// SPDX-License-Identifier: MIT
#include "connection_options.hpp"

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace resilience::redis {
namespace {

[[noreturn]] void refuse_address(std::string_view address) {
    throw std::invalid_argument(
        "address: must be host:port, [v6]:port or unix:/path, not '" +
        std::string(address.substr(0, 100)) + "'"
    );
}

void require(bool holds, const char* sentence) {
    if (!holds) throw std::invalid_argument(sentence);
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    });
}

}  // namespace

ConnectionOptions with_address(std::string_view address, ConnectionOptions rest) {
    constexpr std::string_view unix_scheme = "unix:";
    if (address.starts_with(unix_scheme)) {
        const auto path = address.substr(unix_scheme.size());
        if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path)) {
            refuse_address(address);
        }
        rest.unix_socket = path;
        return rest;
    }
    const auto colon = address.rfind(':');
    if (colon == std::string_view::npos) refuse_address(address);
    auto host = address.substr(0, colon);
    const auto port = address.substr(colon + 1);
    if (host.starts_with('[')) {
        if (!host.ends_with(']')) refuse_address(address);
        host = host.substr(1, host.size() - 2);
        if (host.find(':') == std::string_view::npos) refuse_address(address);
    } else if (host.find(':') != std::string_view::npos) {
        refuse_address(address);
    }
    std::uint16_t number = 0;
    const auto* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data(), end, number);
    if (host.empty() || has_control(host) || error != std::errc{} || stop != end ||
        number == 0) {
        refuse_address(address);
    }
    rest.host = host;
    rest.port = number;
    rest.unix_socket.clear();
    return rest;
}

namespace detail {

ConnectionOptions checked(ConnectionOptions options) {
    using std::chrono::milliseconds;
    const bool local = !options.unix_socket.empty();
    require(local || !options.host.empty(), "host: must not be empty");
    require(local || options.port != 0, "port: must not be 0");
    require(
        options.unix_socket.size() < sizeof(sockaddr_un::sun_path),
        "unix_socket: the path is too long"
    );
    require(
        options.username.empty() || !options.password.empty(),
        "password: must not be empty when there is a username"
    );
    require(
        !local || !options.tls.enabled, "tls.enabled: is not possible over a Unix socket"
    );
    require(
        !has_control(options.client_name),
        "client_name: must not contain spaces or control characters"
    );
    require(
        options.connect_timeout > milliseconds{0}, "connect_timeout: must be positive"
    );
    require(
        options.request_timeout > milliseconds{0}, "request_timeout: must be positive"
    );
    require(
        options.silence_limit >= options.request_timeout,
        "silence_limit: must not be less than request_timeout"
    );
    require(options.max_in_flight >= 1, "max_in_flight: must be at least 1");
    require(options.max_pending_bytes >= 1, "max_pending_bytes: must be positive");
    require(options.max_reply_bytes >= 1024, "max_reply_bytes: must be at least 1024");
    try {
        RetryPolicy{options.reconnect};
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(std::string("reconnect: ") + e.what());
    }
    return options;
}

}  // namespace detail
}  // namespace resilience::redis
