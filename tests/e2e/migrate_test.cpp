// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;

namespace {

constexpr Stack::Kind kinds[] = {Stack::Kind::embedded, Stack::Kind::real};

// A session of another program that does something and then stays as it is.
class Session {
public:
    Session(const Stack& stack, Stack::Kind kind, const std::string& sql) {
        const auto pipe = (stack.folder() / "session.pipe").string();
        (void)::unlink(pipe.c_str());
        if (::mkfifo(pipe.c_str(), 0600) == 0)
            input_ = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
        if (input_ < 0) throw std::runtime_error("no pipe " + pipe);
        const bool embedded = kind == Stack::Kind::embedded;
        const auto text =
            sql + (embedded ? "\n.shell echo ready\n" : "\n\\! echo ready\n");
        if (::write(input_, text.data(), text.size()) < 0)
            throw std::runtime_error("cannot write to " + pipe);
        auto environment = stack.environment();
        std::string client =
            "sqlite3 '" + (stack.folder() / "resilience.db").string() + "'";
        if (!embedded) {
            client = "psql -X -q";
            for (const std::string name : {"HOST", "PORT", "USER", "PASSWORD"})
                environment["PG" + name] = environment.at("DB_" + name);
            environment["PGDATABASE"] = environment.at("DB_NAME");
        }
        process_.emplace(
            std::vector<std::string>{"/bin/sh", "-c", "exec " + client + " < " + pipe},
            environment,
            stack.folder() / "session.log"
        );
        const bool ready = eventually([&] {
            return process_->output().find("ready") != std::string::npos;
        });
        if (!ready) throw std::runtime_error("no session: " + process_->output());
    }
    ~Session() { end(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Its locks go with it.
    void end() {
        if (input_ < 0) return;
        (void)::close(input_);
        input_ = -1;
        (void)process_->wait();
    }

private:
    int input_ = -1;
    std::optional<Process> process_;
};

Process migrate_down(const Stack& stack, const Environment& more) {
    auto environment = stack.environment();
    for (const auto& [name, value] : more) environment[name] = value;
    return Process({MIGRATE, "down"}, environment, stack.folder() / "migrate.log");
}

const char* lock_of(Stack::Kind kind) {
    return kind == Stack::Kind::embedded
               ? "BEGIN IMMEDIATE;"
               : "SELECT pg_advisory_lock(7310575178934677345);";
}

bool is_one_line(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n') == 1;
}

}  // namespace

TEST_CASE("M17: a second runner waits for the first for longer than for a statement") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        (void)stack.run(std::string(MIGRATE) + " up");
        Session first(stack, kind, lock_of(kind));
        auto second = migrate_down(stack, {{"DB_TIMEOUT", "500ms"}});
        CHECK_FALSE(second.wait(2s).has_value());
        first.end();
        CHECK(second.wait() == 0);
        CHECK(second.output().find("took back ") != std::string::npos);
    }
}

TEST_CASE("M17: a runner that waited for long enough says that another holds the lock") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        (void)stack.run(std::string(MIGRATE) + " up");
        const Session first(stack, kind, lock_of(kind));
        auto second = migrate_down(
            stack,
            {{"MIGRATE_LOCK_TIMEOUT", "200ms"}, {"MIGRATE_STATEMENT_TIMEOUT", "1ms"}}
        );
        CHECK(second.wait() == 1);
        const auto said = second.output();
        CHECK_MESSAGE(said.find("another runner") != std::string::npos, said);
        CHECK(said.find("MIGRATE_LOCK_TIMEOUT") != std::string::npos);
        CHECK(is_one_line(said));
    }
}

TEST_CASE("M17: a statement of a migration has a limit of its own") {
    Stack stack(Stack::Kind::real);
    Session reader(
        stack, Stack::Kind::real, "BEGIN; LOCK TABLE outbox_unparks IN ACCESS SHARE MODE;"
    );
    auto limited = migrate_down(stack, {{"MIGRATE_STATEMENT_TIMEOUT", "200ms"}});
    CHECK(limited.wait() == 1);
    const auto said = limited.output();
    CHECK_MESSAGE(said.find("migration 7 (unparks_by_key)") != std::string::npos, said);
    CHECK(said.find("MIGRATE_STATEMENT_TIMEOUT") != std::string::npos);
    CHECK(is_one_line(said));

    auto patient = migrate_down(stack, {{"DB_TIMEOUT", "500ms"}});
    CHECK_FALSE(patient.wait(2s).has_value());
    reader.end();
    CHECK(patient.wait() == 0);
}

TEST_CASE("M17: a table that stays in use ends a migration after the wait for locks") {
    Stack stack(Stack::Kind::real);
    const Session reader(
        stack, Stack::Kind::real, "BEGIN; LOCK TABLE outbox_unparks IN ACCESS SHARE MODE;"
    );
    auto runner = migrate_down(stack, {{"MIGRATE_LOCK_TIMEOUT", "200ms"}});
    CHECK(runner.wait() == 1);
    const auto said = runner.output();
    CHECK_MESSAGE(said.find("migration 7 (unparks_by_key)") != std::string::npos, said);
    CHECK(said.find("MIGRATE_LOCK_TIMEOUT") != std::string::npos);
    CHECK(is_one_line(said));
}
