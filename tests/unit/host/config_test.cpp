// SPDX-License-Identifier: MIT
#include <host/app.hpp>
#include <host/config.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace resilience::host {
namespace {

using std::chrono::milliseconds;

// A program with one setting of each kind.
struct Program {
    std::int64_t capacity = 10;
    double rate = 1;
    std::string algorithm = "token_bucket";
    std::string password = "postgres";
    std::string name = "outbox_db";
    bool tests = false;
    bool postgres = false;
    milliseconds poll{5000};
    Address port{"0.0.0.0", 8080};
    Address redis{"localhost", 6379};
    std::vector<Address> brokers{{"localhost", 9092}};
    std::string topic;
    Config config{"server", "Serves."};

    Program() {
        config.integer("BUCKET_CAPACITY", capacity, 1, 1000, "Tokens of a full bucket")
            .number("BUCKET_REFILL_RATE", rate, 0.001, 1e6, "Tokens per second")
            .choice("BUCKET_ALGORITHM", algorithm, {"token_bucket"}, "How limits work")
            .secret("DB_PASSWORD", password, "Password")
            .string("DB_NAME", name, "Database")
            .boolean("ENABLE_TEST_ENDPOINTS", tests, "Test routes")
            .flag("--postgres", postgres, "Uses PostgreSQL")
            .duration(
                "RELAY_POLL_INTERVAL",
                poll,
                milliseconds{1000},
                milliseconds{1},
                milliseconds{3'600'000},
                "Longest rest"
            )
            .address("PORT", port, "Where to listen")
            .address("REDIS_ADDR", redis, "Redis")
            .addresses("KAFKA_BROKERS", brokers, "Kafka")
            .string("--topic", topic, "Topic")
            .owns("BUCKET_");
    }

    Config::Outcome with(Config::Environment environment) {
        return config.parse({}, environment);
    }
    Config::Outcome with_arguments(std::vector<std::string> arguments) {
        return config.parse(arguments, {});
    }
};

TEST_CASE("M13: settings keep their defaults when nothing is given") {
    Program program;
    const auto outcome = program.with({{"HOME", "/root"}, {"DB_NAME", ""}});
    CHECK_FALSE(outcome.exit_code.has_value());
    CHECK(program.name == "outbox_db");
    CHECK_FALSE(program.config.is_set("DB_NAME"));
}

TEST_CASE("M15, I13, X12: a duration is taken as 5, 5s and 500ms") {
    const std::vector<std::pair<std::string, milliseconds>> forms = {
        {"5", milliseconds{5000}},
        {"5s", milliseconds{5000}},
        {"500ms", milliseconds{500}},
        {"2m", milliseconds{120'000}},
        {"1h", milliseconds{3'600'000}}};
    for (const auto& [text, value] : forms) {
        CAPTURE(text);
        Program program;
        CHECK_FALSE(program.with({{"RELAY_POLL_INTERVAL", text}}).exit_code.has_value());
        CHECK(program.poll == value);
        CHECK(program.config.is_set("RELAY_POLL_INTERVAL"));
    }
}

TEST_CASE("X12: a port is taken as 8080, :9101 and host:port") {
    const std::vector<std::pair<std::string, Address>> forms = {
        {"9101", {"0.0.0.0", 9101}},
        {":9101", {"0.0.0.0", 9101}},
        {"127.0.0.1:80", {"127.0.0.1", 80}},
        {"[::1]:80", {"::1", 80}}};
    for (const auto& [text, value] : forms) {
        CAPTURE(text);
        Program program;
        CHECK_FALSE(program.with({{"PORT", text}}).exit_code.has_value());
        CHECK(program.port == value);
    }
    CHECK(Address{"::1", 80}.to_string() == "[::1]:80");
}

TEST_CASE("M14: brokers are a list") {
    Program program;
    CHECK_FALSE(program.with({{"KAFKA_BROKERS", "a:1,b:2,:3"}}).exit_code.has_value());
    const std::vector<Address> expected{{"a", 1}, {"b", 2}, {"localhost", 3}};
    CHECK(program.brokers == expected);
}

TEST_CASE("M14: a malformed value ends the start with one sentence naming the setting") {
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"BUCKET_CAPACITY", "ten"},
        {"BUCKET_CAPACITY", "0"},
        {"BUCKET_CAPACITY", "1001"},
        {"BUCKET_CAPACITY", "1.5"},
        {"BUCKET_CAPACITY", " 1"},
        {"BUCKET_CAPACITY", "99999999999999999999"},
        {"BUCKET_REFILL_RATE", "fast"},
        {"BUCKET_REFILL_RATE", "nan"},
        {"BUCKET_REFILL_RATE", "inf"},
        {"BUCKET_ALGORITHM", "foo"},
        {"ENABLE_TEST_ENDPOINTS", "2"},
        {"RELAY_POLL_INTERVAL", "5 s"},
        {"RELAY_POLL_INTERVAL", "-5"},
        {"RELAY_POLL_INTERVAL", "0"},
        {"RELAY_POLL_INTERVAL", "5d"},
        {"RELAY_POLL_INTERVAL", "9223372036854775807h"},
        {"PORT", "65536"},
        {"PORT", "http://x:1"},
        {"PORT", "a:b"},
        {"PORT", "abc"},
        {"PORT", "::1"},
        {"PORT", "[x]:1"},
        {"PORT", ":"},
        {"KAFKA_BROKERS", "a:1,,b:2"},
        {"DB_NAME", "\xff"},
        {"DB_PASSWORD", "\xc0\x80 secret"}};
    for (const auto& [name, value] : wrong) {
        CAPTURE(name);
        CAPTURE(value);
        Program program;
        const auto outcome = program.with({{name, value}});
        CHECK(outcome.exit_code == 2);
        CHECK(outcome.text.starts_with(name + ": "));
        CHECK(outcome.text.ends_with(".\n"));
        CHECK(outcome.text.find('\n') == outcome.text.size() - 1);
    }
}

TEST_CASE("A value that is shown is cut and stays on one line") {
    Program program;
    const auto outcome =
        program.with({{"BUCKET_CAPACITY", "1\n2" + std::string(5000, 'x')}});
    CHECK(outcome.text.find("1\\n2xxx") != std::string::npos);
    CHECK(outcome.text.size() < 200);
}

TEST_CASE("M13: a secret that is given is never shown, its default is") {
    Program program;
    CHECK(program.config.help().find("  DB_PASSWORD=postgres\n") != std::string::npos);
    CHECK_FALSE(program.with({{"DB_PASSWORD", "hunter2"}}).exit_code.has_value());
    CHECK(program.password == "hunter2");
    CHECK(program.config.help().find("hunter2") == std::string::npos);
    CHECK(
        program.with({{"DB_PASSWORD", "secret\xff"}}).text.find("secret") ==
        std::string::npos
    );
}

TEST_CASE("M15: a variable of another program changes nothing and is noted") {
    const auto notes = [](std::string value) {
        Program program;
        program.config.not_used("DB_NAMES", "the server takes it");
        CHECK(program.config.help().find("DB_NAMES") == std::string::npos);
        // Although it is one slip away from a setting.
        CHECK_FALSE(program.with({{"DB_NAMES", value}}).exit_code.has_value());
        return program.config.notes();
    };
    CHECK(
        notes("x") ==
        std::vector<std::string>{"DB_NAMES is not used here: the server takes it"}
    );
    CHECK(notes("").empty());
}

TEST_CASE("M14: a setting may imply another one") {
    const auto implied = [](std::string value) {
        bool flag = false;
        Program program;
        program.config.implies("DB_NAME", flag);
        CHECK_FALSE(program.with({{"DB_NAME", value}}).exit_code.has_value());
        return flag;
    };
    CHECK(implied("x"));
    CHECK_FALSE(implied(""));
}

TEST_CASE("M14: a misspelt setting is refused, a foreign one is not") {
    CHECK(
        Program{}.with({{"BUCKET_CAPACTY", "5"}}).text ==
        "The setting \"BUCKET_CAPACTY\" is unknown; did you mean BUCKET_CAPACITY?\n"
    );
    CHECK(Program{}.with({{"DB_NMAE", "x"}}).exit_code == 2);
    CHECK(Program{}.with({{"KAFKA_BROKER", "x"}}).exit_code == 2);
    CHECK(Program{}.with({{"BUCKET_COLOUR", "x"}}).exit_code == 2);
    CHECK_FALSE(Program{}
                    .with(
                        {{"REDIS_PORT", "tcp://10.0.0.1:6379"},
                         {"KAFKA_HOME", "/opt"},
                         {"RELAY_BATCH_SIZE", "5"},
                         {"DB_HOST", "x"}}
                    )
                    .exit_code.has_value());
}

TEST_CASE("O11: options are taken with one dash or two, with = or a space") {
    const std::vector<std::vector<std::string>> forms = {
        {"-topic=x"}, {"--topic=x"}, {"--topic", "x"}, {"-topic", "x"}};
    for (const auto& arguments : forms) {
        Program program;
        CHECK_FALSE(program.with_arguments(arguments).exit_code.has_value());
        CHECK(program.topic == "x");
    }
    Program program;
    CHECK_FALSE(program.with_arguments({"--postgres"}).exit_code.has_value());
    CHECK(program.postgres);
}

TEST_CASE("A wrong command line ends the start with one sentence") {
    CHECK(
        Program{}.with_arguments({"--what"}).text.find("\"--what\"") != std::string::npos
    );
    CHECK(Program{}.with_arguments({"up"}).text.find("\"up\"") != std::string::npos);
    CHECK(Program{}.with_arguments({"--topic"}).exit_code == 2);
    CHECK(Program{}.with_arguments({"--topic=a", "--topic=b"}).exit_code == 2);
    CHECK(Program{}.with_arguments({"--postgres=maybe"}).exit_code == 2);
}

TEST_CASE("O1: a command is one of its words and may not be missing") {
    const auto parse = [](std::vector<std::string> arguments) {
        std::string command;
        Config config{"migrate", "Changes the schema."};
        config.positional("COMMAND", command, {"up", "down", "status"}, "What to do");
        auto outcome = config.parse(arguments, {});
        return outcome.exit_code ? outcome.text : command;
    };
    CHECK(parse({"up"}) == "up");
    CHECK(parse({}).find("COMMAND is missing") != std::string::npos);
    CHECK(parse({"sideways"}).find("one of up, down, status") != std::string::npos);
    CHECK(parse({"up", "down"}).find("\"down\"") != std::string::npos);
}

TEST_CASE("--help lists each setting with its default and ends with 0") {
    Program program;
    const auto outcome = program.with_arguments({"--help"});
    CHECK(outcome.exit_code == 0);
    for (std::string_view line :
         {"BUCKET_CAPACITY=10\n",
          "RELAY_POLL_INTERVAL=5s\n",
          "PORT=0.0.0.0:8080\n",
          "KAFKA_BROKERS=localhost:9092\n",
          "--postgres\n",
          "--topic=\n",
          "--version\n"}) {
        CAPTURE(line);
        CHECK(outcome.text.find(line) != std::string::npos);
    }
}

TEST_CASE("A name that two modules declare gives both its value") {
    std::string first = "./data";
    std::string second = "./data";
    Config config{"x", "y"};
    config.string("DATA_DIR", first, "Where").string("DATA_DIR", second, "Where");
    CHECK_FALSE(config.parse({}, {{"DATA_DIR", "/tmp"}}).exit_code.has_value());
    CHECK(first == "/tmp");
    CHECK(second == "/tmp");
}

TEST_CASE("An app without a listener of its own has no PORT") {
    AppOptions options;
    options.serve = false;
    options.admin = Address{"0.0.0.0", 9103};
    Config config{"relay", "Publishes."};
    declare(config, options);
    CHECK_FALSE(config.parse({}, {{"METRICS_PORT", ":9104"}, {"PORT", "x"}}).exit_code);
    CHECK(options.admin->port == 9104);
}

}  // namespace
}  // namespace resilience::host
