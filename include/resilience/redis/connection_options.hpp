// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_REDIS_CONNECTION_OPTIONS_HPP
#define RESILIENCE_REDIS_CONNECTION_OPTIONS_HPP

#include <resilience/retry_policy.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::redis {

/// How a connection is encrypted.
struct TlsOptions {
    /// Whether TLS is spoken at all; not over a Unix socket. Default false.
    bool enabled = false;

    /// PEM file of the authorities that are trusted. Default empty: those of the system.
    std::string ca_file;

    /// Whether the certificate and its name are checked. Default true; without it anybody
    /// on the way can read and answer.
    bool verify = true;

    /// Name that the certificate must carry, also sent to the server (SNI). Default
    /// empty: the host.
    std::string server_name;
};

/// Settings of a @ref Connection.
struct ConnectionOptions {
    /// Name or address of the server. Default 127.0.0.1.
    std::string host = "127.0.0.1";

    /// At least 1; default 6379.
    std::uint16_t port = 6379;

    /// Path of a Unix socket, which then takes the place of host and port. Default empty.
    std::string unix_socket;

    /// User of an access control list; needs a password. Default empty: the default user.
    std::string username;

    /// Default empty: no AUTH is sent.
    std::string password;

    /// The database that is selected on each connect. Default 0.
    std::uint32_t database = 0;

    TlsOptions tls;

    /// Name that `CLIENT LIST` shows; without spaces. Empty sends none. Default
    /// "resilience".
    std::string client_name = "resilience";

    /// Longest time for one attempt to connect: look-up, TLS and greeting together.
    /// Positive; default 1 s.
    std::chrono::milliseconds connect_timeout{1000};

    /// Longest time from a request to its completion. Positive; default 250 ms.
    std::chrono::milliseconds request_timeout{250};

    /// A connection on which requests wait and nothing at all arrives for this long is
    /// given up and made anew. At least @ref request_timeout; default 1 s.
    std::chrono::milliseconds silence_limit{1000};

    /// Most requests that are queued or unanswered at a time, the ones given up by their
    /// callers included; more are refused with `queue_full`. At least 1; default 1,024.
    std::size_t max_in_flight = 1024;

    /// Most bytes of requests that are queued but not written yet. Positive; default
    /// 16 MiB.
    std::size_t max_pending_bytes = 16 * 1024 * 1024;

    /// Largest reply; a larger one counts as a protocol error. At least 1 KiB; default
    /// 1 MiB.
    std::size_t max_reply_bytes = 1024 * 1024;

    /// Waits between attempts to connect; the number of attempts is not limited. Default
    /// 50 ms doubling to 5 s, half of each wait random.
    RetryOptions reconnect{
        .base = std::chrono::milliseconds{50},
        .cap = std::chrono::seconds{5},
        .jitter = Jitter::equal,
    };

    /// Seed of the random part of those waits. Default 0: drawn from the system.
    std::uint64_t seed = 0;
};

/** Reads an address as `REDIS_ADDR` holds it into `rest`, which keeps everything else.

    @param address `host:port`, `[v6]:port` or `unix:/path`.
    @throws std::invalid_argument Names `address` and what was found.
*/
ConnectionOptions with_address(std::string_view address, ConnectionOptions rest = {});

}  // namespace resilience::redis

#endif
