// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace resilience::e2e;

namespace {

constexpr Stack::Kind kinds[] = {Stack::Kind::embedded, Stack::Kind::real};

// Runs a program that must refuse to start; what it printed.
std::string refusal(
    const std::string& program, const Environment& environment, int code = 2
) {
    ScratchFolder folder;
    Process process({program}, environment, folder.path() / "log");
    CHECK(process.wait() == code);
    return process.output();
}

}  // namespace

TEST_CASE("M1, O1: there are five programs, and each says what it is") {
    const std::pair<std::string, std::string> programs[] = {
        {UNIFIED_SERVER, "unified-server"},
        {RELAY, "relay"},
        {MIGRATE, "migrate"},
        {BACKFILL, "backfill"},
        {OUTBOX, "outbox"}};
    for (const auto& [program, name] : programs) {
        CHECK(shell(program + " --help").starts_with("usage: " + name));
        CHECK(shell(program + " --version").starts_with(name + " "));
    }
}

TEST_CASE("M1: one HTTP entry serves both APIs, on the servers that its log names") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        const auto key = stack.folder().filename().string();
        CHECK(
            stack.http().post("/api/users", R"({"email":"a@b.c","name":"A"})").status ==
            201
        );
        CHECK(
            stack.http().post("/api/bucket/consume?key=" + key + "&tokens=1").status ==
            200
        );
        const bool real = kind == Stack::Kind::real;
        const auto server = stack.server().output();
        const auto relay = stack.relay().output();
        const auto says = [](const std::string& log, const std::string& words) {
            CHECK_MESSAGE(log.find(words) != std::string::npos, log);
        };
        says(
            server, real ? "\"database\":\"PostgreSQL at " : "\"database\":\"SQLite in "
        );
        says(
            server, real ? "\"buckets\":\"Redis at " : "\"buckets\":\"in this process\""
        );
        says(server, real ? "\"database_embedded\":false" : "\"database_embedded\":true");
        says(server, "\"data_dir\":\"" + stack.folder().string());
        says(relay, real ? "events go to Kafka" : "events go to a file");
    }
}

TEST_CASE("M13, M14, M15, O3, X2: the documented settings have the documented defaults") {
    const auto check = [](const std::string& program,
                          const std::vector<std::string>& settings) {
        const auto help = shell(program + " --help");
        for (const auto& setting : settings) {
            CHECK_MESSAGE(
                help.find("\n  " + setting + "\n") != std::string::npos, setting
            );
        }
    };
    const std::vector<std::string> database{
        "DB_HOST=localhost",
        "DB_PORT=5432",
        "DB_USER=postgres",
        "DB_PASSWORD=postgres",
        "DB_NAME=outbox_db"};
    for (const std::string program : {UNIFIED_SERVER, RELAY, MIGRATE, BACKFILL}) {
        check(program, database);
    }
    CHECK(shell(std::string(MIGRATE) + " --help").find("\n  PORT=") == std::string::npos);
    check(
        UNIFIED_SERVER,
        {"REDIS_ADDR=localhost:6379",
         "REDIS_PASSWORD=",
         "REDIS_DB=0",
         "KAFKA_TOPIC=user-events",
         "RELAY_MAX_RETRIES=3",
         "RELAY_LANES=4",
         "PORT=0.0.0.0:8080"}
    );
    check(
        RELAY,
        {"KAFKA_BROKERS=localhost:9092",
         "RELAY_POLL_INTERVAL=5s",
         "RELAY_BATCH_SIZE=100",
         "RELAY_MODE=",
         "RELAY_LANES=4",
         "RELAY_CHUNK_SIZE=2500",
         "RELAY_POISON=halt_lane",
         "RELAY_FIRST=untouched",
         "RELAY_OUTBOX=",
         "RELAY_TRANSACTION_TIMEOUT=20s",
         "RELAY_POSITION_TOPIC=",
         "RELAY_POSITION_REPLICAS=0",
         "RELAY_REPORT=true",
         "RELAY_RETENTION=",
         "METRICS_PORT=0.0.0.0:9103"}
    );
}

TEST_CASE("O3: with the variables of O3 alone, none of them of Redis, users are served") {
    // Set to nothing is not set; a bare number of RELAY_POLL_INTERVAL is in seconds.
    Stack stack(
        Stack::Kind::real,
        {{"REDIS_ADDR", ""},
         {"RELAY_POLL_INTERVAL", "1"},
         {"RELAY_BATCH_SIZE", "100"},
         {"RELAY_MAX_RETRIES", "5"}}
    );
    stack.start_server();
    stack.start_relay();
    CHECK(stack.http().get("/health").status == 200);
    CHECK(stack.http().post("/users", R"({"email":"a@b.c","name":"A"})").status == 201);
    CHECK(
        stack.sql("SELECT topic, max_retries FROM outbox_events") ==
        std::vector<std::string>{stack.topic() + "|5"}
    );
    CHECK(eventually([&] { return stack.delivered().size() == 1; }));
    // One environment serves both; what only the server uses is not taken silently.
    const auto log = stack.relay().output();
    CHECK_MESSAGE(log.find("RELAY_MAX_RETRIES is not used here") != log.npos, log);
}

TEST_CASE("M13, M14, M15: --help lists each setting with its default") {
    const auto server = shell(std::string(UNIFIED_SERVER) + " --help");
    for (const std::string name :
         {"DB_HOST",
          "DB_PORT",
          "DB_USER",
          "DB_PASSWORD",
          "DB_NAME",
          "REDIS_ADDR",
          "REDIS_PASSWORD",
          "REDIS_DB",
          "KAFKA_TOPIC",
          "PORT",
          "BUCKET_CAPACITY",
          "BUCKET_REFILL_RATE",
          "BUCKET_ALGORITHM",
          "DATA_DIR",
          "ENABLE_TEST_ENDPOINTS",
          "5432",
          "outbox_db",
          "8080"}) {
        CHECK_MESSAGE(server.find(name) != std::string::npos, name);
    }
    const auto relay = shell(std::string(RELAY) + " --help");
    for (const std::string name :
         {"KAFKA_BROKERS",
          "RELAY_POLL_INTERVAL",
          "RELAY_BATCH_SIZE",
          "RELAY_MODE",
          "METRICS_PORT",
          "9103",
          "5s",
          "100"}) {
        CHECK_MESSAGE(relay.find(name) != std::string::npos, name);
    }
    // These the server writes with each event, and the relay goes by the row.
    for (const std::string name : {"KAFKA_TOPIC", "RELAY_MAX_RETRIES"}) {
        CHECK_MESSAGE(relay.find(name) == std::string::npos, name);
    }
}

TEST_CASE("M14, M15: a setting that two programs take is described by both alike") {
    const auto entry_of = [](const std::string& program, const std::string& name) {
        const auto help = shell(program + " --help");
        const auto first = help.find(name);
        if (first == std::string::npos) return std::string{};
        // Its description is on the line below.
        const auto end = help.find('\n', help.find('\n', first) + 1);
        return help.substr(first, end - first);
    };
    for (const char* name : {"DB_HOST", "DATA_DIR", "LOG_LEVEL"}) {
        CHECK_FALSE(entry_of(RELAY, name).empty());
        CHECK(entry_of(RELAY, name) == entry_of(UNIFIED_SERVER, name));
    }
}

TEST_CASE("X12: a malformed value ends the start with one sentence that names the setting"
) {
    const std::pair<const char*, const char*> server[] = {
        {"PORT", "eighty"},
        {"DB_PORT", "0"},
        {"REDIS_DB", "-1"},
        {"BUCKET_CAPACITY", "many"},
        {"BUCKET_ALGORITHM", "leaky"},
        {"KAFKA_TOPIC", "bad topic"},
        {"REDIS_ADDR", "nonsense"},
        {"DB_HOST", "localhost:5432"},
        {"BUCKET_REFILL_RATE", "4999999.999"},
        {"BUCKET_REFILL_RATE", "0.0000014"}};
    for (const auto& [name, value] : server) {
        const auto text = refusal(UNIFIED_SERVER, {{name, value}});
        CHECK_MESSAGE(text.find(name) != std::string::npos, text);
        CHECK(std::ranges::count(text, '\n') == 1);
    }
    const std::pair<const char*, const char*> relay[] = {
        {"RELAY_POLL_INTERVAL", "soon"},
        {"RELAY_BATCH_SIZE", "0"},
        {"KAFKA_BROKERS", "a:1,,b:2"},
        {"RELAY_MODE", "exactly"}};
    for (const auto& [name, value] : relay) {
        const auto text = refusal(RELAY, {{name, value}});
        CHECK_MESSAGE(text.find(name) != std::string::npos, text);
    }
}

TEST_CASE("X12: settings that do not go together end the start as a malformed one does") {
    const ScratchFolder folder;
    const auto server = refusal(
        UNIFIED_SERVER,
        {{"BUCKET_CAPACITY", "2147483648"},
         {"BUCKET_REFILL_RATE", "999999.999"},
         {"DATA_DIR", folder.path()}}
    );
    CHECK_MESSAGE(server.find("BUCKET_CAPACITY") != std::string::npos, server);
    const auto relay = refusal(
        RELAY,
        {{"KAFKA_BROKERS", "127.0.0.1:1"},
         {"KAFKA_DELIVERY_TIMEOUT", "10s"},
         {"RELAY_STALE_AFTER", "14s"},
         {"DATA_DIR", folder.path()}}
    );
    CHECK_MESSAGE(relay.find("RELAY_STALE_AFTER") != std::string::npos, relay);
}

TEST_CASE("a port that the system chooses is in the line that says ready") {
    const ScratchFolder folder;
    Process server(
        {UNIFIED_SERVER},
        {{"PORT", "0"}, {"DATA_DIR", folder.path()}},
        folder.path() / "log"
    );
    const std::string member = "\"port\":";
    std::size_t at = std::string::npos;
    REQUIRE(eventually([&] {
        const auto output = server.output();
        at = output.find(member, output.find("\"msg\":\"ready\""));
        return at != std::string::npos;
    }));
    const int port = std::stoi(server.output().substr(at + member.size()));
    CHECK(HttpClient{port}.get("/livez").status == 200);
    CHECK(server.output().find("metrics_port") == std::string::npos);
}

TEST_CASE("X12: a data folder that cannot be used ends the start and names DATA_DIR") {
    const ScratchFolder folder;
    std::ofstream(folder.path() / "file") << "x";
    std::filesystem::create_directories(folder.path() / "odd" / "resilience.db");
    std::filesystem::create_directory(folder.path() / "other");
    std::ofstream(folder.path() / "other" / "resilience.db") << std::string(5000, 'x');
    for (const std::filesystem::path& data :
         {std::filesystem::path{"/dev/null/data"},
          folder.path() / "file",
          folder.path() / "odd",
          folder.path() / "other"}) {
        for (const char* program : {UNIFIED_SERVER, RELAY}) {
            const auto text = refusal(
                program, {{"DATA_DIR", data}, {"PORT", "0"}, {"METRICS_PORT", "0"}}
            );
            const auto sentence = ": DATA_DIR: " + data.string();
            CHECK_MESSAGE(text.find(sentence) != std::string::npos, text);
        }
        CHECK_THROWS_WITH_AS(
            shell(std::string(MIGRATE) + " up", {{"DATA_DIR", data}}),
            doctest::Contains("migrate: DATA_DIR: "),
            std::runtime_error
        );
    }
}

TEST_CASE("X12: an address that nobody here has ends the start and names its setting") {
    const ScratchFolder folder;
    // One is reserved for documentation, the other has a name that cannot exist.
    for (const std::string address : {"203.0.113.7:1", "no_such_host.invalid:1"}) {
        const auto server =
            refusal(UNIFIED_SERVER, {{"PORT", address}, {"DATA_DIR", folder.path()}});
        CHECK_MESSAGE(server.find(": PORT: ") != std::string::npos, server);
        const auto relay =
            refusal(RELAY, {{"METRICS_PORT", address}, {"DATA_DIR", folder.path()}});
        CHECK_MESSAGE(relay.find(": METRICS_PORT: ") != std::string::npos, relay);
    }
}

TEST_CASE("what the programs write to DATA_DIR is for their user alone") {
    const Stack stack(Stack::Kind::embedded);
    const auto before = ::umask(0);
    Process server({UNIFIED_SERVER}, stack.environment(), stack.folder() / "server.log");
    Process relay({RELAY}, stack.environment(), stack.folder() / "relay.log");
    ::umask(before);
    CHECK(eventually([&] {
        const auto reply = stack.http().post("/users", R"({"email":"a@b.c","name":"A"})");
        return reply.status == 201 || reply.status == 409;
    }));
    CHECK(eventually([&] { return !stack.delivered().empty(); }));
    for (const std::string name :
         {"resilience.db", "resilience.db-wal", "resilience.db-shm", "events.jsonl"}) {
        CAPTURE(name);
        const auto permissions =
            std::filesystem::status(stack.folder() / name).permissions();
        CHECK(
            (permissions & std::filesystem::perms::mask) ==
            (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        );
    }
}

TEST_CASE("a port that is taken ends the start and names it") {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    const auto text = refusal(
        UNIFIED_SERVER,
        {{"PORT", std::to_string(stack.port())}, {"DATA_DIR", stack.folder()}},
        1
    );
    CHECK_MESSAGE(text.find(std::to_string(stack.port())) != std::string::npos, text);
}

TEST_CASE("M17: migrate goes up, shows what is applied, and goes down again") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        const std::string migrate = MIGRATE;
        (void)stack.run(migrate + " up");
        CHECK(stack.run(migrate + " up").find("nothing to apply") != std::string::npos);
        CHECK(stack.run(migrate + " status").find("applied") != std::string::npos);
        const int changes = kind == Stack::Kind::real ? 7 : 4;
        for (int i = 0; i < changes; ++i)
            CHECK(stack.run(migrate + " down").find("took back") != std::string::npos);
        CHECK(
            stack.run(migrate + " down").find("nothing to take back") != std::string::npos
        );
        CHECK(stack.run(migrate + " status").find("pending") != std::string::npos);
        CHECK(stack.run(migrate + " up").find("applied 1 users") != std::string::npos);
    }
}

TEST_CASE("M17: a file that was changed after it was applied is refused") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        (void)stack.run(std::string(MIGRATE) + " up");
        (void)stack.sql("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2");
        CHECK_THROWS_WITH_AS(
            stack.run(std::string(MIGRATE) + " up"),
            doctest::Contains("2 (outbox_events)"),
            std::runtime_error
        );
    }
}

TEST_CASE("M17: two runners at once apply each change once") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        for (int i = 0; i < 6; ++i) {
            try {
                (void)stack.run(std::string(MIGRATE) + " down");
            } catch (const std::exception&) {
                break;
            }
        }
        std::vector<Process> runners;
        for (int i = 0; i < 4; ++i) {
            runners.emplace_back(
                std::vector<std::string>{MIGRATE, "up"},
                stack.environment(),
                stack.folder() / ("runner" + std::to_string(i))
            );
        }
        for (auto& runner : runners) CHECK_MESSAGE(runner.wait() == 0, runner.output());
        CHECK(
            stack.sql("SELECT version FROM schema_migrations ORDER BY version") ==
            (kind == Stack::Kind::real
                 ? std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"}
                 : std::vector<std::string>{"1", "2", "3", "5"})
        );
    }
}
