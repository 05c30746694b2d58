// SPDX-License-Identifier: MIT
#include "src/postgres/connect_parameters.hpp"
#include "src/postgres/timestamp.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

using namespace resilience;
using namespace resilience::postgres;

namespace {

std::string refusal(const std::function<void(ConnectionOptions&)>& spoil) {
    ConnectionOptions options;
    spoil(options);
    try {
        validate(options);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("the defaults are valid") { CHECK_NOTHROW(validate(ConnectionOptions{})); }

TEST_CASE("an option that is out of range is named") {
    using namespace std::chrono_literals;
    using Options = ConnectionOptions;
    const auto starts = [](const std::string& text, const char* field) {
        CAPTURE(text);
        CHECK(text.starts_with(std::string{field} + ": "));
    };
    starts(refusal([](Options& o) { o.host.clear(); }), "host");
    starts(refusal([](Options& o) { o.host = std::string("a\0b", 3); }), "host");
    starts(refusal([](Options& o) { o.port = 0; }), "port");
    starts(refusal([](Options& o) { o.user.clear(); }), "user");
    starts(refusal([](Options& o) { o.database.clear(); }), "database");
    starts(refusal([](Options& o) { o.password = std::string("a\0b", 3); }), "password");
    starts(refusal([](Options& o) { o.connect_timeout = 0ms; }), "connect_timeout");
    starts(refusal([](Options& o) { o.query_timeout = -1ms; }), "query_timeout");
    starts(refusal([](Options& o) { o.drain_timeout = 0ms; }), "drain_timeout");
    starts(refusal([](Options& o) { o.keepalive_idle = 0s; }), "keepalive_idle");
    starts(refusal([](Options& o) { o.extra = {{"", "x"}}; }), "extra");
    starts(
        refusal([](Options& o) { o.statement_cache_size = 10'001; }),
        "statement_cache_size"
    );
}

TEST_CASE("a bad connection string is refused without its password") {
    for (const auto* text : {"host=a password", "hunter2", "postgres://u:hunter2@[::1"}) {
        const auto words = refusal([&](ConnectionOptions& o) { o.conninfo = text; });
        CAPTURE(words);
        CHECK(words.starts_with("conninfo: "));
        CHECK(words.find("hunter2") == std::string::npos);
    }
}

TEST_CASE("the fields become libpq's keywords") {
    ConnectionOptions options;
    options.password = "secret";
    options.ssl_mode = SslMode::verify_full;
    options.ssl_root_cert = "/ca.crt";
    options.extra = {{"options", "-csearch_path=x"}};
    const auto parameters = connect_parameters(options);
    CHECK(parameters.at("host") == "localhost");
    CHECK(parameters.at("port") == "5432");
    CHECK(parameters.at("dbname") == "postgres");
    CHECK(parameters.at("password") == "secret");
    CHECK(parameters.at("sslmode") == "verify-full");
    CHECK(parameters.at("sslrootcert") == "/ca.crt");
    CHECK(parameters.at("options") == "-csearch_path=x");
    CHECK(parameters.at("client_encoding") == "UTF8");
    CHECK(parameters.at("tcp_user_timeout") == "5000");
}

TEST_CASE("a connection string takes the place of the fields") {
    ConnectionOptions options;
    options.conninfo = "postgresql://me@one:1,two:2/db?client_encoding=LATIN1";
    const auto parameters = connect_parameters(options);
    CHECK(parameters.at("host") == "one,two");
    CHECK(parameters.at("port") == "1,2");
    CHECK(parameters.at("user") == "me");
    CHECK(parameters.count("application_name") == 0);
    CHECK(parameters.at("client_encoding") == "UTF8");
}

TEST_CASE("hosts are taken apart and put together again") {
    ConnectParameters parameters{{"host", "one,/run,::1"}, {"port", "5432"}};
    auto hosts = split_hosts(parameters);
    REQUIRE(hosts.size() == 3);
    CHECK(hosts[0].needs_lookup());
    CHECK_FALSE(hosts[1].needs_lookup());
    CHECK_FALSE(hosts[2].needs_lookup());
    hosts.insert(hosts.begin(), {"one", "10.0.0.2", "5432"});
    hosts[1].address = "10.0.0.1";
    join_hosts(parameters, hosts);
    CHECK(parameters.at("host") == "one,one,/run,::1");
    CHECK(parameters.at("hostaddr") == "10.0.0.2,10.0.0.1,,");
    CHECK(parameters.at("port") == "5432,5432,5432,5432");
}

TEST_CASE("addresses that are given already, and counts that differ, are left to libpq") {
    CHECK(split_hosts({{"host", "a"}, {"hostaddr", "10.0.0.1"}}).empty());
    CHECK(split_hosts({{"host", "a,b,c"}, {"port", "1,2"}}).empty());
    CHECK(split_hosts({}).empty());
}

TEST_CASE("the server's code is found in the words of a failed connection") {
    const auto refused = connect_failure(
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: "
        "password "
        "authentication failed for user \"x\" LOCATION:  auth_failed, auth.c:326"
    );
    CHECK(refused == Errc::access_denied);
    CHECK(
        refused.detail ==
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password "
        "authentication failed for user \"x\" (SQLSTATE 28P01)"
    );
    CHECK(connect_failure("x failed: FATAL:  3D000: database") == Errc::bad_destination);
    CHECK(connect_failure("x failed: FATAL:  53300: too many") == Errc::unavailable);
    CHECK(connect_failure("x failed: FATAL:  57P01: ending") == Errc::unavailable);
    CHECK(connect_failure("x failed: Connection refused") == Errc::unavailable);
    CHECK(connect_failure("") == Errc::unavailable);
}

TEST_CASE("sslmode is read and written in libpq's spelling") {
    for (const auto* text :
         {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}) {
        REQUIRE(parse_ssl_mode(text));
        CHECK(to_string(*parse_ssl_mode(text)) == text);
    }
    CHECK_FALSE(parse_ssl_mode("verify_full"));
    CHECK_FALSE(parse_ssl_mode(""));
}

TEST_CASE("instants are written in UTC to the microsecond") {
    using namespace std::chrono;
    const auto text = [](std::int64_t micros) {
        return to_timestamp(WallClock::time_point{
            duration_cast<WallClock::duration>(microseconds{micros})});
    };
    CHECK(text(0) == "1970-01-01 00:00:00.000000+00");
    CHECK(text(1700000000123456) == "2023-11-14 22:13:20.123456+00");
    CHECK(text(-1) == "1969-12-31 23:59:59.999999+00");
    CHECK(text(1709164800000000) == "2024-02-29 00:00:00.000000+00");
}
