// SPDX-License-Identifier: MIT
// What becomes of a database whose storage goes away, and of its memory of that.
#include "unit/sqlite/database_world.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <functional>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;

namespace {

// Permissions bind everybody but root; nobody's rights last as long as this.
struct Unprivileged {
    Unprivileged() {
        if (::geteuid() == 0) REQUIRE(::seteuid(65534) == 0);
    }
    ~Unprivileged() {
        if (::getuid() == 0) (void)!::seteuid(0);
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
};

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("a file that is made is for its owner alone, and so are those beside it") {
    const auto before = ::umask(0);
    World world;
    world.fill(1);
    ::umask(before);
    for (const std::string end : {"", "-wal", "-shm"}) {
        CAPTURE(end);
        CHECK(mode_of(world.folder.file().string() + end) == 0600);
    }
}

TEST_CASE("a file that is there keeps its permissions") {
    Folder folder;
    std::ofstream{folder.file()}.close();
    ::chmod(folder.file().c_str(), 0640);
    World world({.path = folder.file()});
    world.fill(1);
    CHECK(mode_of(folder.file()) == 0640);
}

TEST_CASE("O2: a file that was removed or replaced is not used until it is put back") {
    World world;
    world.fill(1);
    const auto file = world.folder.file();
    const auto away = world.folder.path() / "away";
    std::filesystem::rename(file, away);
    SUBCASE("removed") {
        const auto written = world("INSERT INTO t VALUES (3, '3')");
        CHECK(written.error() == Errc::unavailable);
        CHECK(written.error().detail.ends_with("test.db: the file was removed"));
    }
    SUBCASE("replaced") {
        std::ofstream{file}.close();
        const auto written = world("INSERT INTO t VALUES (3, '3')");
        CHECK(written.error() == Errc::unavailable);
        CHECK(written.error().detail.find("is another file") != std::string::npos);
        CHECK(std::filesystem::file_size(file) == 0);
    }
    CHECK(world("SELECT count(*) FROM t").error() == Errc::unavailable);
    CHECK_FALSE(wait<Transaction>(world.io, Transaction::async_begin(*world.database)));
    std::filesystem::rename(away, file);
    CHECK(world.count() == 1);
    CHECK(world("INSERT INTO t VALUES (2, '2')").has_value());
}

TEST_CASE("O2: a transaction is not committed to a file that was removed meanwhile") {
    World world;
    world.fill(1);
    const auto away = world.folder.path() / "away";
    auto open = begin(world.io, *world.database);
    REQUIRE(execute(world.io, open, "INSERT INTO t VALUES (2, '2')"));
    std::filesystem::rename(world.folder.file(), away);
    CHECK(wait<void>(world.io, open.async_commit()).error() == Errc::unavailable);
    std::filesystem::rename(away, world.folder.file());
    CHECK(world.count() == 1);
}

TEST_CASE("O2: a table that is missing is bad_destination, also for a kept statement") {
    World world;
    world.fill(1);
    const std::string insert = "INSERT INTO t VALUES (2, '2')";
    REQUIRE(world(insert));
    REQUIRE(world("DROP TABLE t"));
    CHECK(world(insert).error() == Errc::bad_destination);
    CHECK(
        world("SELECT no_such_column FROM sqlite_schema").error() == Errc::invalid_request
    );
    auto open = begin(world.io, *world.database);
    CHECK(execute(world.io, open, insert).error() == Errc::bad_destination);
    CHECK_FALSE(wait<void>(world.io, open.async_commit()));
}

namespace {

// One write of each kind, as a whole with its commit.
std::vector<std::function<bool(const std::string&)>> writes(World& world) {
    return {
        [&](const std::string& sql) { return world(sql).has_value(); },
        [&](const std::string& sql) { return world.run_script(sql).has_value(); },
        [&](const std::string& sql) {
            auto open =
                wait<Transaction>(world.io, Transaction::async_begin(*world.database));
            if (!open) return false;
            const bool done = execute(world.io, *open, sql).has_value();
            return wait<void>(world.io, open->async_commit()).has_value() && done;
        }};
}

}  // namespace

TEST_CASE("O2: a write that the storage refused is remembered until one is committed") {
    World world;
    world.fill(1);
    const auto& database = *world.database;
    CHECK_FALSE(database.write_failure());
    int next = 2;
    for (const auto& write : writes(world)) {
        REQUIRE(world("PRAGMA query_only = 1"));
        CHECK_FALSE(write("INSERT INTO t VALUES (9, '9')"));
        REQUIRE(database.write_failure());
        CHECK(*database.write_failure() == Errc::storage_full);
        CHECK(database.write_failure()->detail.find("readonly") != std::string::npos);
        REQUIRE(world("PRAGMA query_only = 0"));
        CHECK(database.write_failure());
        const auto value = std::to_string(next++);
        CHECK(write("INSERT INTO t VALUES (" + value + ", '" + value + "')"));
        CHECK_FALSE(database.write_failure());
    }
}

TEST_CASE("O2: what commits nothing does not say that writing works again") {
    World world;
    world.fill(1);
    REQUIRE(world("PRAGMA query_only = 1"));
    REQUIRE_FALSE(world("INSERT INTO t VALUES (2, '2')"));
    REQUIRE(world("PRAGMA query_only = 0"));
    CHECK(world.count() == 1);
    CHECK_FALSE(world("INSERT INTO t VALUES (1, '1')"));
    CHECK(wait<void>(world.io, begin(world.io, *world.database).async_commit()));
    {
        // More than its cache holds, so it writes before it is given up.
        REQUIRE(world("PRAGMA cache_size = 1"));
        auto given_up = begin(world.io, *world.database);
        REQUIRE(execute(
            world.io,
            given_up,
            "INSERT INTO t VALUES (2, ?1)",
            parameters(std::string(200'000, 'x'))
        ));
        CHECK(execute(world.io, given_up, "INSERT INTO t VALUES (3, '3')"));
        REQUIRE(wait<void>(world.io, given_up.async_rollback()));
    }
    CHECK(world.count() == 1);
    CHECK(world.database->write_failure());
}

TEST_CASE("O2: a commit that finds the disk full is remembered") {
    World world;
    world.fill(1);
    std::signal(SIGXFSZ, SIG_IGN);
    auto open = begin(world.io, *world.database);
    REQUIRE(execute(
        world.io,
        open,
        "INSERT INTO t VALUES (2, ?1)",
        parameters(std::string(200'000, 'x'))
    ));
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    auto limit = before;
    limit.rlim_cur = 64 * 1024;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const auto committed = wait<void>(world.io, open.async_commit());
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK(committed.error() == Errc::storage_full);
    CHECK(world.count() == 1);
    CHECK(world.database->write_failure());
    REQUIRE(world("INSERT INTO t VALUES (3, '3')"));
    CHECK_FALSE(world.database->write_failure());
}

TEST_CASE("O2: a file that could only be read is written again once it can be") {
    Folder folder;
    {
        World world({.path = folder.file()});
        world.fill(1);
    }
    ::chmod(folder.path().c_str(), 0777);
    ::chmod(folder.file().c_str(), 0444);
    std::optional<World> world;
    {
        const Unprivileged nobody;
        world.emplace(DatabaseOptions{.path = folder.file()});
        CHECK((*world)("INSERT INTO t VALUES (2, '2')").error() == Errc::storage_full);
        CHECK(world->count() == 1);
    }
    ::chmod(folder.file().c_str(), 0666);
    // The first one finds out.
    (void)(*world)("INSERT INTO t VALUES (2, '2')");
    CHECK((*world)("INSERT INTO t VALUES (3, '3')").has_value());
    CHECK_FALSE(world->database->write_failure());
}
