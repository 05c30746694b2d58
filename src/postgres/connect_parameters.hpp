// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_CONNECT_PARAMETERS_HPP
#define RESILIENCE_SRC_POSTGRES_CONNECT_PARAMETERS_HPP

#include <resilience/error.hpp>
#include <resilience/postgres/connection_options.hpp>

#include <map>
#include <string>
#include <vector>

namespace resilience::postgres {

/// Checks options. @throws std::invalid_argument Names the one that is out of range.
void validate(const ConnectionOptions& options);

using ConnectParameters = std::map<std::string, std::string>;

/// libpq's keywords and values for `options`, which are valid.
ConnectParameters connect_parameters(const ConnectionOptions& options);

/// One place where a server may be.
struct HostEntry {
    std::string host;
    std::string address;
    std::string port;

    /// Whether `host` is a name, not an address or the directory of a socket.
    bool needs_lookup() const;
};

/// The places that `parameters` name; none when libpq's defaults or addresses are used.
std::vector<HostEntry> split_hosts(const ConnectParameters& parameters);

/// Puts `hosts` in the place of those that `parameters` named.
void join_hosts(ConnectParameters& parameters, const std::vector<HostEntry>& hosts);

/// Reads libpq's verbose text about a connection that failed.
Failure connect_failure(std::string text);

}  // namespace resilience::postgres

#endif
