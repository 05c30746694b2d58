// SPDX-License-Identifier: MIT
// The embedded database when its storage is at fault: answers, health and the start.
#include "embedded_users.hpp"

#include <host/app.hpp>
#include <modules/backing/health.hpp>
#include <modules/relay/relay.hpp>

#include <resilience/postgres/pool.hpp>
#include <resilience/sqlite/transaction.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

using namespace resilience;
using namespace resilience::modules;
using fixture::check_problem;
using fixture::text_of;

namespace {

constexpr const char* body = R"({"email":"a@b.c","name":"Ann"})";

// The service as a part of a program, whose health is asked anew each time.
struct Service : fixture::EmbeddedUsers {
    host::App app{make_options()};

    Service() {
        users::add_routes(router, metrics, *store);
        users::mount(app, database, *store);
        app.health().on_change([this](const host::Health::Finding& part) {
            changes.push_back(part.health);
        });
    }

    static host::AppOptions make_options() {
        host::AppOptions options{.name = "test", .log_level = "error"};
        options.health.reuse = {};
        return options;
    }

    host::PartHealth health() {
        return fixture::run(context, app.health().examine("users"))->health;
    }

    std::vector<host::PartHealth> changes;
};

// What the settings of a folder are refused for; empty when they are not.
std::string refusal(const std::string& data_dir) {
    net::io_context context;
    try {
        const backing::Database database{context.get_executor(), {.data_dir = data_dir}};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("M10: storage that refused a write is down until a write succeeds") {
    Service service;
    CHECK(service.health().state == host::HealthState::up);
    service.rows("PRAGMA query_only = 1");
    // Nobody knows before somebody writes.
    check_problem(service.post("/users", body), 503, "storage-full");
    for (int i = 0; i < 3; ++i) {
        const auto health = service.health();
        CHECK(health.state == host::HealthState::down);
        CHECK(health.detail == "the storage is full or read-only");
        CHECK(health.cause.find("readonly database") != std::string::npos);
    }
    CHECK(
        service.rows("SELECT name FROM sqlite_schema WHERE name = 'write_trial'").empty()
    );

    service.rows("PRAGMA query_only = 0");
    SUBCASE("that of a request") { CHECK(service.post("/users", body).status == 201); }
    SUBCASE("that of the check itself") {}
    CHECK(service.health().state == host::HealthState::up);
    CHECK(
        service.rows("SELECT name FROM sqlite_schema WHERE name = 'write_trial'").empty()
    );
    // A change is told once.
    REQUIRE(service.changes.size() == 2);
    CHECK(service.changes.back().state == host::HealthState::up);
}

TEST_CASE("M10: a disk with room for a page but not for a request is still full") {
    Service service;
    const auto pages = std::stoi(
        service.rows("SELECT CAST(page_count AS TEXT) FROM pragma_page_count").at(0).at(0)
    );
    const auto limit = [&](int most) {
        service.rows("PRAGMA max_page_count = " + std::to_string(most));
    };
    limit(pages + 2);
    unsigned status = 201;
    for (int i = 0; status == 201 && i < 1000; ++i) {
        const auto email = "u" + std::to_string(i) + "@b.c";
        status =
            service.post("/users", R"({"email":")" + email + R"(","name":"N"})").status;
    }
    CHECK(status == 503);
    CHECK(service.health().state == host::HealthState::down);
    limit(pages + 4);
    CHECK(service.health().state == host::HealthState::down);
    limit(100'000);
    CHECK(service.health().state == host::HealthState::up);
}

TEST_CASE("M10: a check waits for no writer") {
    Service service;
    std::optional<Result<sqlite::Transaction>> writer;
    sqlite::Transaction::async_begin (*service.database.sqlite()
    )([&](Result<sqlite::Transaction> begun) { writer.emplace(std::move(begun)); });
    while (!writer) {
        service.context.restart();
        service.context.run_one();
    }
    REQUIRE(writer->has_value());
    CHECK(service.health().state == host::HealthState::up);
}

TEST_CASE("M10: a database file that is gone or another one is told of and not written") {
    Service service;
    const std::filesystem::path folder = service.folder.path();
    const auto file = folder / "resilience.db";
    std::filesystem::rename(file, folder / "away");
    SUBCASE("gone") {
        CHECK(service.health().cause.find("was removed") != std::string::npos);
    }
    SUBCASE("another one") {
        std::ofstream{file}.close();
        CHECK(service.health().cause.find("is another file") != std::string::npos);
    }
    CHECK(service.health().state == host::HealthState::down);
    CHECK(service.health().detail.find("removed or replaced") != std::string::npos);
    check_problem(service.post("/users", body), 503, "unavailable");
    CHECK(service.get("/users/0190163d-8694-739b-aea5-966c26f8ad91").status == 503);
    std::filesystem::rename(folder / "away", file);
    CHECK(service.users() == 0);
    CHECK(service.health().state == host::HealthState::up);
    CHECK(service.post("/users", body).status == 201);
}

TEST_CASE("M6-M8: a table that is missing is 503 and says what to do") {
    for (const std::string table : {"users", "outbox_events"}) {
        Service service;
        service.rows("DROP TABLE " + table);
        const auto answer = service.post("/users", body);
        check_problem(answer, 503, "unavailable");
        CHECK(text_of(answer, "detail").find("migrate up") != std::string::npos);
    }
}

TEST_CASE("X12: a DATA_DIR that cannot be used is refused by its name, and why") {
    const fixture::Folder folder;
    const std::filesystem::path path = folder.path();
    CHECK(refusal(path / "made" / "deep") == "");
    CHECK(std::filesystem::is_directory(path / "made" / "deep"));

    std::ofstream{path / "file"}.close();
    CHECK(
        refusal(path / "file") ==
        "DATA_DIR: " + (path / "file").string() + " is not a folder"
    );
    CHECK(refusal(path / "file" / "below").starts_with("DATA_DIR: "));
    std::filesystem::create_directories(path / "odd" / "resilience.db");
    CHECK(refusal(path / "odd").ends_with("resilience.db is not a file"));
}

TEST_CASE("X12: a DATA_DIR without the right to write is refused") {
    const fixture::Folder folder;
    const std::filesystem::path path = folder.path();
    ::chmod(path.c_str(), 0755);
    const auto read_only = path / "read_only";
    const auto old_file = path / "old_file";
    for (const auto& one : {read_only, old_file}) {
        std::filesystem::create_directory(one);
        ::chmod(one.c_str(), one == read_only ? 0555 : 0777);
    }
    std::ofstream{old_file / "resilience.db"}.close();
    ::chmod((old_file / "resilience.db").c_str(), 0444);
    const auto child = ::fork();
    if (child == 0) {
        // Permissions bind everybody but root.
        if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
        const auto denied = [](const std::string& text, const std::string& what) {
            return text.starts_with("DATA_DIR: ") && text.find(what) != text.npos &&
                   text.ends_with("Permission denied");
        };
        const bool folder_named = denied(refusal(read_only), "read_only cannot be writ");
        const bool file_named = denied(refusal(old_file), "resilience.db cannot be read");
        const bool made = denied(refusal(read_only / "new"), "cannot be made");
        ::_exit((folder_named ? 0 : 1) + (file_named ? 0 : 2) + (made ? 0 : 4));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("X12: a DATA_DIR whose database is none is refused when it is opened") {
    const fixture::Folder folder;
    std::ofstream{folder.path() + "/resilience.db"} << std::string(5000, 'x');
    net::io_context context;
    backing::Database database{context.get_executor(), {.data_dir = folder.path()}};
    try {
        (void)fixture::run(context, database.open());
        FAIL("it was opened");
    } catch (const std::invalid_argument& e) {
        CHECK(std::string{e.what()}.starts_with("DATA_DIR: "));
        CHECK(std::string{e.what()}.find("resilience.db") != std::string::npos);
    }
}

TEST_CASE("O7: a relay that pauses is degraded, and down once that lasts") {
    using namespace std::chrono_literals;
    const TimePoint since{1h};
    RelaySnapshot paused{.paused_since = since};
    CHECK(relay::health_of(paused, since + 1h).state == host::HealthState::up);
    paused.paused = true;
    paused.reason = "no broker at 10.0.0.1";
    CHECK(relay::health_of(paused, since + 2999ms).state == host::HealthState::degraded);
    const auto health = relay::health_of(paused, since + 3s);
    CHECK(health.state == host::HealthState::down);
    CHECK(health.cause == paused.reason);
    CHECK(health.detail.find("10.0.0.1") == std::string::npos);
}

TEST_CASE("a server that does not answer is waited for little longer than DB_TIMEOUT") {
    using std::chrono::milliseconds;
    for (const milliseconds timeout :
         {milliseconds{10}, milliseconds{3000}, milliseconds{300'000}}) {
        const auto options = backing::pool_options({.timeout = timeout});
        CHECK(options.connection.query_timeout == timeout);
        CHECK(options.connection.connect_timeout == timeout);
        CHECK(options.acquire_timeout <= timeout);
        CHECK(options.connection.drain_timeout >= milliseconds{1});
        CHECK(options.connection.drain_timeout <= milliseconds{200});
    }
}
