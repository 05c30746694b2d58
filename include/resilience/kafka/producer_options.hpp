// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_PRODUCER_OPTIONS_HPP
#define RESILIENCE_KAFKA_PRODUCER_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace resilience::kafka {

/// How batches are compressed.
enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };

/// How a connection to a broker is secured.
enum class SecurityProtocol : std::uint8_t { plaintext, ssl, sasl_plaintext, sasl_ssl };

/// Encryption and credentials.
struct SecurityOptions {
    /// Default plaintext. With TLS the broker's certificate and name are always checked.
    SecurityProtocol protocol = SecurityProtocol::plaintext;

    /// PEM file of the authorities that are trusted. Empty: those of the system.
    std::string ca_file;

    /// PEM files of the client's own certificate and key; both or neither.
    std::string certificate_file;
    std::string key_file;

    /// Password of the key file. Empty: none.
    std::string key_password;

    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, ...; needed with SASL.
    std::string sasl_mechanism;
    std::string username;
    std::string password;
};

/** Takes a line of the client's log.

    @param severity As in syslog: 3 error, 4 warning, 6 information, 7 debug.

    Called by threads of the client library: it must be thread-safe, quick, and must not
    call the producer. What it throws is dropped.
*/
using LogHook = std::function<void(int severity, std::string_view line)>;

/// Settings of a @ref Producer.
struct ProducerOptions {
    /// `host:port`, several separated by commas. Required.
    std::string brokers;

    /// Name in the broker's logs and quotas. Not empty; default `resilience`.
    std::string client_id = "resilience";

    /// How long a message waits for others to share its batch. 0 to 900 s; default 1 ms.
    std::chrono::microseconds linger{1000};

    /// Longest time from the call to the acknowledgement, retries included. Longer than
    /// @ref linger; default 30 s. When it passes for one message the producer gives up
    /// and @ref Producer::is_fatal.
    std::chrono::milliseconds delivery_timeout{30000};

    /// How long a broker waits for its replicas. 1 ms to 900 s; default 10 s.
    std::chrono::milliseconds request_timeout{10000};

    /// Longest wait for a broker's answer before the connection counts as broken. 10 ms
    /// to 300 s and at least @ref request_timeout; default 15 s.
    std::chrono::milliseconds socket_timeout{15000};

    /// Longest wait for what the cluster says of a topic. Positive, at most
    /// @ref delivery_timeout; default 5 s. Destroying the execution context may have to
    /// wait as long.
    std::chrono::milliseconds metadata_timeout{5000};

    /// Most messages that are on their way. At least 1; default 100,000.
    std::size_t queue_messages = 100'000;

    /// Most bytes that are on their way. At least 1 KiB; default 64 MiB.
    std::size_t queue_bytes = std::size_t{64} * 1024 * 1024;

    /// Default lz4.
    Compression compression = Compression::lz4;

    /// Largest message, key and headers included. 1,000 to 1,000,000,000; default
    /// 1,048,500, what a broker takes whose settings were not changed.
    std::size_t max_message_bytes = 1'048'500;

    SecurityOptions security;

    /// Further settings of librdkafka by their names. Those that this library sets itself
    /// are refused.
    std::map<std::string, std::string> settings;

    /// Default none: silent.
    LogHook log;
};

}  // namespace resilience::kafka

#endif
