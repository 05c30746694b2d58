// SPDX-License-Identifier: MIT
#include "unit/sqlite/database_world.hpp"

#include <resilience/outbox.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>

#include <csignal>
#include <random>

using namespace resilience;
using namespace resilience::sqlite;
using namespace resilience::sqlite::test;
using namespace std::chrono_literals;

TEST_CASE("O2: a full disk is storage_full, nothing half-written stays, and it recovers"
) {
    World world;
    world.fill(1);
    SUBCASE("the limit of pages") {
        const auto pages = number(world("PRAGMA page_count"));
        REQUIRE(world("PRAGMA max_page_count = " + std::to_string(pages)));
        const auto filled =
            world("INSERT INTO t VALUES (2, ?1)", parameters(std::string(100'000, 'x')));
        CHECK(filled.error() == Errc::storage_full);
        REQUIRE(world("PRAGMA max_page_count = 100000"));
    }
    SUBCASE("the limit of the file's size") {
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit before{};
        ::getrlimit(RLIMIT_FSIZE, &before);
        auto limit = before;
        limit.rlim_cur = 64 * 1024;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        const auto filled =
            world("INSERT INTO t VALUES (2, ?1)", parameters(std::string(200'000, 'x')));
        ::setrlimit(RLIMIT_FSIZE, &before);
        CHECK(filled.error() == Errc::storage_full);
        CHECK(is_retryable(filled.error().code));
    }
    CHECK(world.count() == 1);
    CHECK(world("INSERT INTO t VALUES (2, ?1)", parameters(std::string(200'000, 'x')))
              .has_value());
    CHECK(
        number(world(
            "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"
        )) == 1
    );
}

TEST_CASE("O2: a read-only database is storage_full, and reading goes on") {
    World world;
    world.fill(2);
    Database reader(
        world.io.get_executor(), {.path = world.folder.file(), .read_only = true}
    );
    CHECK(execute(world.io, reader, "DELETE FROM t").error() == Errc::storage_full);
    CHECK(number(execute(world.io, reader, "SELECT count(*) FROM t")) == 2);
    auto t = begin(world.io, reader);
    CHECK(number(execute(world.io, t, "SELECT count(*) FROM t")) == 2);
    CHECK(execute(world.io, t, "DELETE FROM t").error() == Errc::storage_full);
}

TEST_CASE("O2: a read-only file and a read-only directory are storage that cannot be used"
) {
    Folder folder;
    {
        World world({.path = folder.file()});
        world.fill(1);
    }
    ::chmod(folder.file().c_str(), 0444);
    ::chmod(folder.path().c_str(), 0555);
    const auto child = ::fork();
    if (child == 0) {
        // Permissions bind everybody but root.
        if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
        net::io_context io;
        Database old_file(io.get_executor(), {.path = folder.file()});
        Database new_file(io.get_executor(), {.path = folder.path() / "new.db"});
        const auto written = execute(io, old_file, "INSERT INTO t VALUES (7, 'x')");
        const auto made = execute(io, new_file, "CREATE TABLE t (a)");
        const auto down = [](const Result<Rows>& r) {
            return !r && is_retryable(r.error().code);
        };
        ::_exit((down(written) ? 0 : 1) + (down(made) ? 0 : 2));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    ::chmod(folder.path().c_str(), 0755);
    ::chmod(folder.file().c_str(), 0644);
    CHECK(WEXITSTATUS(status) == 0);
    World world({.path = folder.file()});
    CHECK(world.count() == 1);
}

TEST_CASE("O2: a file that cannot be opened is unavailable, until it can") {
    Folder folder;
    const auto later = folder.path() / "later";
    World world({.path = later / "db"});
    CHECK(
        wait<void>(world.io, world.database->async_open()).error() == Errc::unavailable
    );
    CHECK(world("SELECT 1").error() == Errc::unavailable);
    std::filesystem::create_directory(later);
    CHECK(world("SELECT 1").has_value());
}

TEST_CASE("a file that is no database is corrupt_data and is left as it is") {
    Folder folder;
    const std::string content(5000, 'x');
    std::ofstream(folder.file()) << content;
    World world({.path = folder.file()});
    CHECK(world("SELECT 1").error() == Errc::corrupt_data);
    CHECK(world.database->stats().performed == 1);
    CHECK(read_file(folder.file()) == content);
}

TEST_CASE("a file that was damaged and put right is opened again") {
    World world;
    world.fill(1);
    REQUIRE(world("PRAGMA wal_checkpoint(TRUNCATE)"));
    REQUIRE(world("PRAGMA cache_size = 0"));
    const auto saved = world.folder.path() / "saved";
    std::filesystem::copy_file(world.folder.file(), saved);
    const auto size = std::filesystem::file_size(saved);
    std::ofstream(world.folder.file(), std::ios::in | std::ios::out)
        << std::string(size, 'x');
    CHECK(world("SELECT b FROM t").error() == Errc::corrupt_data);
    std::filesystem::rename(saved, world.folder.file());
    CHECK(world.count() == 1);
}

TEST_CASE("another process that writes is waited for up to busy_timeout") {
    World world;
    world.fill();
    auto blocker = begin(world.io, *world.database);
    Database other(
        world.io.get_executor(), {.path = world.folder.file(), .busy_timeout = 2ms}
    );
    CHECK(
        execute(world.io, other, "INSERT INTO t VALUES (1, 'x')").error() ==
        Errc::timed_out
    );
    CHECK(number(execute(world.io, other, "SELECT count(*) FROM t")) == 0);

    Database patient(world.io.get_executor(), {.path = world.folder.file()});
    const auto waiting = start(patient, "INSERT INTO t VALUES (1, 'x')");
    // The wait for a busy file ends with the database, too.
    const auto doomed = [&] {
        Database impatient(world.io.get_executor(), {.path = world.folder.file()});
        return start(impatient, "INSERT INTO t VALUES (2, 'y')");
    }();
    REQUIRE(wait<void>(world.io, blocker.async_commit()));
    world.io.restart();
    world.io.run();
    CHECK(waiting.result->value().has_value());
    CHECK(doomed.error() == Errc::closed);
    CHECK(world.count() == 1);
}

TEST_CASE("two processes write to one file at once and lose nothing") {
    Folder folder;
    constexpr int writes = 100;
    const auto write_all = [&](int first) {
        net::io_context io;
        Database database(io.get_executor(), {.path = folder.file()});
        int lost = 0;
        // Both may make the table, and both may change the mode of the new file.
        if (!script(io, database, "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY)"))
            ++lost;
        for (int i = first; i < first + writes; ++i) {
            if (!execute(io, database, "INSERT INTO t VALUES (?1)", parameters(i)))
                ++lost;
        }
        return lost;
    };
    const auto child = ::fork();
    if (child == 0) ::_exit(write_all(1) == 0 ? 0 : 1);
    CHECK(write_all(1000) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
    World world({.path = folder.file()});
    CHECK(world.count() == 2 * writes);
}

TEST_CASE("O2: kill -9 at any moment: a change and its event are both there or neither") {
    Folder folder;
    {
        World world({.path = folder.file()});
        world.fill();
        REQUIRE(world.run_script(outbox_schema()));
    }
    const Outbox outbox;
    std::mt19937 random{7};
    for (int kill = 0; kill < 25; ++kill) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const auto child = ::fork();
        if (child == 0) {
            net::io_context io;
            Database database(io.get_executor(), {.path = folder.file()});
            for (;;) {
                auto t = begin(io, database);
                Event event{
                    .aggregate_type = "t",
                    .aggregate_id = "1",
                    .event_type = "t.made",
                    .event_data = "{}"};
                if (!execute(io, t, "INSERT INTO t DEFAULT VALUES")) ::_exit(1);
                if (!run(io, outbox.append(t, std::move(event)))) ::_exit(2);
                if (!wait<void>(io, t.async_commit())) ::_exit(3);
                if (::write(ends[1], "c", 1) != 1) ::_exit(4);
            }
        }
        ::close(ends[1]);
        char done = 0;
        REQUIRE(::read(ends[0], &done, 1) == 1);
        pollfd none{.fd = -1, .events = 0, .revents = 0};
        const timespec moment{
            .tv_sec = 0, .tv_nsec = static_cast<long>(random() % 2'000'000)};
        ::ppoll(&none, 1, &moment, nullptr);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        ::close(ends[0]);
    }
    World world({.path = folder.file()});
    CHECK(world.count() >= 25);
    CHECK(world.count() == number(world("SELECT count(*) FROM outbox_events")));
}
