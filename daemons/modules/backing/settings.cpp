// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/backing/redis.hpp>

#include <resilience/redis/connection_options.hpp>

#include <boost/asio/ip/address.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace resilience::modules::backing {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds least_timeout{10};
constexpr milliseconds most_timeout{300'000};

// Calls `is_good` with each element of a list, until one is not.
template <class Predicate>
bool all_elements(std::string_view list, Predicate is_good) {
    while (true) {
        const auto one = list.substr(0, list.find(','));
        if (!is_good(one)) return false;
        if (one.size() == list.size()) return true;
        list.remove_prefix(one.size() + 1);
    }
}

// Whatever libpq takes; a port after the name it would take for a part of it.
std::string check_database_host(std::string_view text) {
    const bool good = all_elements(text, [](std::string_view host) {
        boost::system::error_code not_an_address;
        net::ip::make_address(std::string{host}, not_an_address);
        return host.starts_with('/') || host.starts_with('@') || !not_an_address ||
               host::is_host_name(host);
    });
    return good ? ""
                : "a host name, an address or the folder of a socket, without a port";
}

std::string check_redis_address(std::string_view text) {
    try {
        (void)redis::with_address(text);
        return {};
    } catch (const std::invalid_argument&) {
        return "an address such as host:port, [::1]:port or unix:/path";
    }
}

std::string check_brokers(std::string_view text) {
    const bool good = all_elements(text, [](std::string_view broker) {
        const auto scheme = broker.find("://");
        if (scheme != std::string_view::npos) broker.remove_prefix(scheme + 3);
        if (broker.find(':') == std::string_view::npos) return host::is_host_name(broker);
        const auto address = host::parse_address(broker, {});
        return address && !address->host.empty() && address->port != 0;
    });
    return good ? "" : "addresses such as host:port,host:port";
}

}  // namespace

void declare(host::Config& config, DatabaseSettings& settings) {
    config.flag(
        "--postgres", settings.use_postgres, "Use PostgreSQL with the defaults of DB_*"
    );
    config.string(
        "DB_HOST",
        settings.host,
        "PostgreSQL server; when set, it is used",
        check_database_host
    );
    config.implies("DB_HOST", settings.use_postgres);
    config.integer("DB_PORT", settings.port, 1, 65535, "PostgreSQL port");
    config.string("DB_USER", settings.user, "PostgreSQL user");
    config.secret("DB_PASSWORD", settings.password, "PostgreSQL password");
    config.string("DB_NAME", settings.name, "PostgreSQL database");
    config.choice(
        "DB_SSLMODE",
        settings.sslmode,
        {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
        "PostgreSQL encryption"
    );
    config.integer(
        "DB_POOL_SIZE", settings.pool_size, 1, 1000, "PostgreSQL connections at most"
    );
    config.duration(
        "DB_TIMEOUT",
        settings.timeout,
        std::chrono::seconds{1},
        least_timeout,
        most_timeout,
        "Longest wait for one statement"
    );
    config.string(
        "DATA_DIR",
        settings.data_dir,
        "Folder of the embedded database and the event file, used without servers"
    );
}

void declare(host::Config& config, RedisSettings& settings) {
    config.flag("--redis", settings.use_redis, "Use Redis with the defaults of REDIS_*");
    config.string(
        "REDIS_ADDR",
        settings.address,
        "Redis server, host:port or unix:/path; when set, it is used",
        check_redis_address
    );
    config.implies("REDIS_ADDR", settings.use_redis);
    config.secret("REDIS_PASSWORD", settings.password, "Redis password");
    config.integer("REDIS_DB", settings.database, 0, 1'000'000, "Redis database number");
    config.duration(
        "REDIS_TIMEOUT",
        settings.timeout,
        std::chrono::seconds{1},
        least_timeout,
        most_timeout,
        "Longest wait for one answer of Redis"
    );
}

redis::ConnectionOptions connection_options(const RedisSettings& settings) {
    redis::ConnectionOptions options;
    options.password = settings.password;
    options.database = static_cast<std::uint32_t>(settings.database);
    options.request_timeout = settings.timeout;
    options.connect_timeout = settings.timeout;
    options.silence_limit = settings.timeout;
    try {
        return redis::with_address(settings.address, std::move(options));
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(std::string("REDIS_ADDR ") + error.what());
    }
}

void declare(host::Config& config, KafkaSettings& settings) {
    config.flag("--kafka", settings.use_kafka, "Use Kafka with the defaults of KAFKA_*");
    config.string(
        "KAFKA_BROKERS",
        settings.brokers,
        "Kafka brokers, host:port,...; when set, they are used",
        check_brokers
    );
    config.implies("KAFKA_BROKERS", settings.use_kafka);
    config.duration(
        "KAFKA_DELIVERY_TIMEOUT",
        settings.delivery_timeout,
        std::chrono::seconds{1},
        std::chrono::seconds{1},
        most_timeout,
        "Longest wait for the acknowledgement of an event"
    );
}

}  // namespace resilience::modules::backing
