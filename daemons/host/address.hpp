// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_ADDRESS_HPP
#define RESILIENCE_HOST_ADDRESS_HPP

#include <cstdint>
#include <string>

namespace resilience::host {

/// A host name or address, and a TCP port.
struct Address {
    std::string host;
    std::uint16_t port = 0;

    /// `host:port`, with brackets around an IPv6 address.
    std::string to_string() const {
        const bool brackets = host.find(':') != std::string::npos;
        return (brackets ? '[' + host + ']' : host) + ':' + std::to_string(port);
    }

    bool operator==(const Address&) const = default;
};

}  // namespace resilience::host

#endif
