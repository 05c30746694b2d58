// SPDX-License-Identifier: MIT
#include "kafka/configuration.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void require(bool holds, const char* complaint) {
    if (!holds) throw std::invalid_argument(complaint);
}

void check(const ProducerOptions& o) {
    require(!o.brokers.empty(), "brokers: must name at least one host:port");
    require(!o.client_id.empty(), "client_id: must not be empty");
    require(
        o.linger.count() >= 0 && o.linger <= seconds{900}, "linger: must be 0 to 900 s"
    );
    require(
        o.delivery_timeout > o.linger, "delivery_timeout: must be longer than linger"
    );
    require(
        o.delivery_timeout <= std::chrono::hours{24}, "delivery_timeout: at most 24 h"
    );
    require(
        o.request_timeout >= milliseconds{1} && o.request_timeout <= seconds{900},
        "request_timeout: must be 1 ms to 900 s"
    );
    require(
        o.socket_timeout >= milliseconds{10} && o.socket_timeout <= seconds{300} &&
            o.socket_timeout >= o.request_timeout,
        "socket_timeout: must be 10 ms to 300 s and at least request_timeout"
    );
    require(
        o.metadata_timeout >= milliseconds{1} && o.metadata_timeout <= o.delivery_timeout,
        "metadata_timeout: must be positive and at most delivery_timeout"
    );
    constexpr auto largest =
        static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
    require(
        o.queue_messages >= 1 && o.queue_messages <= largest,
        "queue_messages: must be 1 to 2147483647"
    );
    require(
        o.queue_bytes >= 1024 && o.queue_bytes / 1024 <= largest,
        "queue_bytes: must be 1 KiB to 2 TiB"
    );
    require(
        o.max_message_bytes >= 1000 && o.max_message_bytes <= 1'000'000'000,
        "max_message_bytes: must be 1,000 to 1,000,000,000"
    );
}

void check(const SecurityOptions& o) {
    const bool tls =
        o.protocol == SecurityProtocol::ssl || o.protocol == SecurityProtocol::sasl_ssl;
    const bool sasl = o.protocol == SecurityProtocol::sasl_plaintext ||
                      o.protocol == SecurityProtocol::sasl_ssl;
    require(
        tls || (o.ca_file.empty() && o.certificate_file.empty() && o.key_file.empty()),
        "security: certificates need the protocol ssl or sasl_ssl"
    );
    require(
        o.certificate_file.empty() == o.key_file.empty(),
        "security: certificate_file and key_file need each other"
    );
    require(
        sasl == !o.sasl_mechanism.empty(),
        "security: sasl_mechanism and a sasl protocol need each other"
    );
    require(
        sasl || (o.username.empty() && o.password.empty()),
        "security: username and password need a sasl protocol"
    );
}

const char* name_of(Compression compression) {
    switch (compression) {
        case Compression::none:
            return "none";
        case Compression::gzip:
            return "gzip";
        case Compression::snappy:
            return "snappy";
        case Compression::lz4:
            return "lz4";
        case Compression::zstd:
            return "zstd";
    }
    throw std::invalid_argument("compression: not a known value");
}

const char* name_of(SecurityProtocol protocol) {
    switch (protocol) {
        case SecurityProtocol::plaintext:
            return "plaintext";
        case SecurityProtocol::ssl:
            return "ssl";
        case SecurityProtocol::sasl_plaintext:
            return "sasl_plaintext";
        case SecurityProtocol::sasl_ssl:
            return "sasl_ssl";
    }
    throw std::invalid_argument("security: protocol is not a known value");
}

// Names under which librdkafka would accept what an option or a promise of this library
// decides, and hooks that would call into the program from its threads.
constexpr std::string_view owned[] = {
    "acks",
    "bootstrap.servers",
    "client.id",
    "compression.codec",
    "compression.type",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "log.queue",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.nagle.disable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "transaction.timeout.ms",
    "transactional.id",
};

void append(Settings& settings, const SecurityOptions& o) {
    settings.emplace_back("security.protocol", name_of(o.protocol));
    const auto set = [&settings](const char* name, const std::string& value) {
        if (!value.empty()) settings.emplace_back(name, value);
    };
    set("ssl.ca.location", o.ca_file);
    set("ssl.certificate.location", o.certificate_file);
    set("ssl.key.location", o.key_file);
    set("ssl.key.password", o.key_password);
    set("sasl.mechanisms", o.sasl_mechanism);
    set("sasl.username", o.username);
    set("sasl.password", o.password);
}

std::string number(std::size_t value) { return std::to_string(value); }
std::string number(milliseconds value) { return std::to_string(value.count()); }

// With three decimals; printf's would depend on the locale.
std::string milliseconds_of(std::chrono::microseconds value) {
    const std::string decimals = std::to_string(1000 + value.count() % 1000);
    return std::to_string(value.count() / 1000) + '.' + decimals.substr(1);
}

}  // namespace

Settings connection_settings(const ProducerOptions& o) {
    Settings settings{
        {"bootstrap.servers", o.brokers},
        {"client.id", o.client_id},
        {"socket.timeout.ms", number(o.socket_timeout)},
        {"socket.nagle.disable", "true"},
        {"socket.keepalive.enable", "true"},
        // After an outage the first message must not wait for the default of 10 s.
        {"reconnect.backoff.max.ms", "1000"},
        {"log.connection.close", "false"},
        {"log.thread.name", "false"}};
    append(settings, o.security);
    return settings;
}

Settings producer_settings(const ProducerOptions& o) {
    check(o);
    check(o.security);
    for (const auto& [name, value] : o.settings) {
        if (std::ranges::find(owned, name) != std::end(owned)) {
            throw std::invalid_argument("settings: " + name + " is set by the library");
        }
    }
    Settings settings = connection_settings(o);
    const Settings production{
        {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"},
        {"acks", "all"},
        {"partitioner", "murmur2_random"},
        // Expiry is the producer's own: librdkafka gives up messages one at a time and
        // then sends those behind them, which breaks the order of a key.
        {"message.timeout.ms", "0"},
        {"linger.ms", milliseconds_of(o.linger)},
        {"request.timeout.ms", number(o.request_timeout)},
        {"queue.buffering.max.messages", number(o.queue_messages)},
        {"queue.buffering.max.kbytes", number(o.queue_bytes / 1024)},
        {"compression.codec", name_of(o.compression)},
        {"message.max.bytes", number(o.max_message_bytes)}};
    settings.insert(settings.end(), production.begin(), production.end());
    settings.insert(settings.end(), o.settings.begin(), o.settings.end());
    return settings;
}

}  // namespace resilience::kafka::detail
