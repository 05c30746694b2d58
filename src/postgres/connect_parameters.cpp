// SPDX-License-Identifier: MIT
#include "connect_parameters.hpp"

#include <resilience/postgres/sqlstate.hpp>

#include <libpq-fe.h>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace resilience::postgres {
namespace {

constexpr std::string_view modes[] = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

struct OptionsDeleter {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Parsed = std::unique_ptr<PQconninfoOption, OptionsDeleter>;

// libpq's own words about a bad string may quote the password.
Parsed parse(const std::string& conninfo) {
    char* message = nullptr;
    Parsed parsed{PQconninfoParse(conninfo.c_str(), &message)};
    if (message) PQfreemem(message);
    return parsed;
}

void require(bool good, const char* field, const char* rule) {
    if (!good) throw std::invalid_argument(std::string{field} + ": " + rule);
}

void require_text(const std::string& value, const char* field) {
    require(value.find('\0') == std::string::npos, field, "holds a NUL");
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    for (;;) {
        const auto comma = list.find(',', start);
        parts.push_back(list.substr(start, comma - start));
        if (comma == std::string::npos) return parts;
        start = comma + 1;
    }
}

std::string value_of(const ConnectParameters& parameters, const char* keyword) {
    const auto found = parameters.find(keyword);
    return found == parameters.end() ? std::string{} : found->second;
}

bool is_sqlstate(std::string_view text) {
    return text.size() == 5 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
           });
}

}  // namespace

std::optional<SslMode> parse_ssl_mode(std::string_view text) noexcept {
    const auto found = std::find(std::begin(modes), std::end(modes), text);
    if (found == std::end(modes)) return std::nullopt;
    return static_cast<SslMode>(found - std::begin(modes));
}

std::string_view to_string(SslMode mode) noexcept {
    return modes[static_cast<std::size_t>(mode)];
}

void validate(const ConnectionOptions& options) {
    using namespace std::chrono_literals;
    if (options.conninfo.empty()) {
        require(!options.host.empty(), "host", "is empty");
        require(options.port != 0, "port", "must be 1 to 65535");
        require(!options.user.empty(), "user", "is empty");
        require(!options.database.empty(), "database", "is empty");
    } else {
        require_text(options.conninfo, "conninfo");
        require(
            parse(options.conninfo) != nullptr,
            "conninfo",
            "is not a connection string or URI of libpq"
        );
    }
    require_text(options.host, "host");
    require_text(options.user, "user");
    require_text(options.password, "password");
    require_text(options.database, "database");
    require_text(options.ssl_root_cert, "ssl_root_cert");
    require_text(options.application_name, "application_name");
    for (const auto& [keyword, value] : options.extra) {
        require(!keyword.empty(), "extra", "a keyword is empty");
        require_text(keyword, "extra");
        require_text(value, "extra");
    }
    require(options.connect_timeout > 0ms, "connect_timeout", "must be positive");
    require(options.query_timeout > 0ms, "query_timeout", "must be positive");
    require(options.drain_timeout > 0ms, "drain_timeout", "must be positive");
    require(
        options.statement_cache_size <= 10'000,
        "statement_cache_size",
        "must be 0 to 10,000"
    );
    require(options.keepalive_idle >= 1s, "keepalive_idle", "must be at least 1 s");
}

ConnectParameters connect_parameters(const ConnectionOptions& options) {
    ConnectParameters parameters{
        {"gssencmode", "disable"},
        {"keepalives_idle", std::to_string(options.keepalive_idle.count())},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", std::to_string(options.connect_timeout.count())},
    };
    if (options.conninfo.empty()) {
        parameters["host"] = options.host;
        parameters["port"] = std::to_string(options.port);
        parameters["user"] = options.user;
        parameters["dbname"] = options.database;
        parameters["sslmode"] = to_string(options.ssl_mode);
        parameters["application_name"] = options.application_name;
        if (!options.password.empty()) parameters["password"] = options.password;
        if (!options.ssl_root_cert.empty()) {
            parameters["sslrootcert"] = options.ssl_root_cert;
        }
    } else if (const auto parsed = parse(options.conninfo)) {
        for (const auto* option = parsed.get(); option->keyword; ++option) {
            if (option->val) parameters[option->keyword] = option->val;
        }
    }
    for (const auto& [keyword, value] : options.extra) parameters[keyword] = value;
    parameters["client_encoding"] = "UTF8";
    return parameters;
}

bool HostEntry::needs_lookup() const {
    if (host.empty() || host.front() == '/' || host.front() == '@') return false;
    boost::system::error_code not_an_address;
    boost::asio::ip::make_address(host, not_an_address);
    return static_cast<bool>(not_an_address);
}

std::vector<HostEntry> split_hosts(const ConnectParameters& parameters) {
    const auto names = value_of(parameters, "host");
    if (names.empty() || !value_of(parameters, "hostaddr").empty()) return {};
    const auto hosts = split(names);
    const auto ports = split(value_of(parameters, "port"));
    std::vector<HostEntry> entries;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        // One port serves all hosts; a wrong number of them is for libpq to refuse.
        const bool single = ports.size() == 1;
        if (!single && ports.size() != hosts.size()) return {};
        entries.push_back({hosts[i], {}, single ? ports[0] : ports[i]});
    }
    return entries;
}

void join_hosts(ConnectParameters& parameters, const std::vector<HostEntry>& hosts) {
    if (hosts.empty()) return;
    std::string names;
    std::string addresses;
    std::string ports;
    for (const auto& entry : hosts) {
        if (&entry != &hosts.front()) {
            names += ',';
            addresses += ',';
            ports += ',';
        }
        names += entry.host;
        addresses += entry.address;
        ports += entry.port;
    }
    parameters["host"] = names;
    parameters["hostaddr"] = addresses;
    parameters["port"] = ports;
}

// The text reads `...: FATAL:  28P01: words LOCATION:  function, file:line`.
Failure connect_failure(std::string text) {
    constexpr std::string_view before = ":  ";
    for (auto at = text.find(before); at != std::string::npos;
         at = text.find(before, at + 1)) {
        const auto start = at + before.size();
        const auto state = text.substr(start, 5);
        if (!is_sqlstate(state) || text.compare(start + 5, 2, ": ") != 0) continue;
        text.erase(start, 7);
        if (const auto location = text.find(" LOCATION:  ", start);
            location != std::string::npos) {
            text.erase(location);
        }
        auto code = errc_of_sqlstate(state);
        if (code == Errc::connection_lost) code = Errc::unavailable;
        return fail(code, text + " (SQLSTATE " + state + ")");
    }
    return fail(Errc::unavailable, std::move(text));
}

}  // namespace resilience::postgres
