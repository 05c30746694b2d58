// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_CONNECTION_OPTIONS_HPP
#define RESILIENCE_POSTGRES_CONNECTION_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::postgres {

/// How far a connection insists on TLS; libpq's `sslmode`.
enum class SslMode : std::uint8_t {
    disable,
    allow,
    prefer,
    require,
    verify_ca,
    verify_full
};

/// Reads libpq's spelling (`verify-full`); nothing else is a mode.
std::optional<SslMode> parse_ssl_mode(std::string_view text) noexcept;

/// libpq's spelling.
std::string_view to_string(SslMode mode) noexcept;

/// Where a server is and how to speak with it.
struct ConnectionOptions {
    /// A libpq connection string or URI. When set, the fields from @ref host to
    /// @ref application_name are not used; libpq's environment variables are.
    std::string conninfo;

    /// Host name, address, or directory of a Unix socket. Default `localhost`.
    std::string host = "localhost";

    /// 1 to 65535; default 5432.
    std::uint16_t port = 5432;

    /// Default `postgres`.
    std::string user = "postgres";

    /// Never part of an error. Default none: libpq looks into its password file.
    std::string password;

    /// Default `postgres`.
    std::string database = "postgres";

    /// Default @ref SslMode::prefer, which neither proves who the server is nor insists
    /// on encryption: use `verify_full` on a network that is not trusted.
    SslMode ssl_mode = SslMode::prefer;

    /// File of the authorities that `verify_ca` and `verify_full` trust. Default libpq's.
    std::string ssl_root_cert;

    /// What the server's views show. Default `resilience`.
    std::string application_name = "resilience";

    /// Further libpq keywords and values, such as `{"options", "-csearch_path=app"}`.
    std::vector<std::pair<std::string, std::string>> extra;

    /// Longest wait for a connection, over all hosts, TLS and authentication included.
    /// Positive; default 5 s.
    std::chrono::milliseconds connect_timeout{5000};

    /// Longest wait for one operation. Positive; default 5 s.
    std::chrono::milliseconds query_timeout{5000};

    /// How long a cancelled operation may take to end before the connection is closed.
    /// Positive; default 1 s.
    std::chrono::milliseconds drain_timeout{1000};

    /// Prepared statements kept in one session, the least recently used replaced first.
    /// 0 to 10,000; default 100. 0 uses none, as a pooler between here and the server may
    /// need.
    std::size_t statement_cache_size = 100;

    /// Silence after which TCP asks whether the server is still there. At least 1 s;
    /// default 30 s. Three questions 5 s apart without an answer end the connection.
    std::chrono::seconds keepalive_idle{30};
};

}  // namespace resilience::postgres

#endif
