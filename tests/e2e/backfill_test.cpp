// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace resilience::e2e;

namespace {

constexpr Stack::Kind kinds[] = {Stack::Kind::embedded, Stack::Kind::real};

void create_users(const Stack& stack, int count) {
    for (int i = 0; i < count; ++i) {
        const auto email = "u" + std::to_string(i) + "@example.com";
        REQUIRE(
            stack.http()
                .post("/users", R"({"email":")" + email + R"(","name":"N"})")
                .status == 201
        );
    }
}

/// Three users and the identities of their events, in order.
std::vector<std::string> three_events(const Stack& stack) {
    create_users(stack, 3);
    auto ids = stack.sql("SELECT id FROM outbox_events ORDER BY seq");
    REQUIRE(ids.size() == 3);
    return ids;
}

struct Ended {
    int code;
    std::string output;
};

// Runs a backfill to its end.
Ended backfill(const Environment& environment, const std::vector<std::string>& options) {
    ScratchFolder folder;
    std::vector<std::string> command{BACKFILL};
    command.insert(command.end(), options.begin(), options.end());
    Process process(command, environment, folder.path() / "log");
    const int code = process.wait().value_or(-1);
    return {code, process.output()};
}

// The expression for the original that a copy names.
std::string original_of(Stack::Kind kind) {
    return kind == Stack::Kind::real ? "headers->>'backfill-of'"
                                     : "json_extract(headers, '$.\"backfill-of\"')";
}

}  // namespace

TEST_CASE("O11: backfill writes events again with new ids that name the originals") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        stack.start_relay();
        create_users(stack, 7);
        REQUIRE(eventually([&] { return stack.delivered().size() == 7; }));
        const std::string program = BACKFILL;

        const auto dry = stack.run(program + " -dry-run -aggregate-type=user");
        CHECK(dry.find("user.created: 7 events") != std::string::npos);
        CHECK(stack.sql("SELECT id FROM outbox_events").size() == 7);

        const auto done = stack.run(program + " -aggregate-type=user -limit=5 -chunk=2");
        CHECK(done.find("done: 5 events") != std::string::npos);
        REQUIRE(eventually([&] { return stack.delivered().size() == 12; }));
        CHECK(stack.sql("SELECT DISTINCT id FROM outbox_events").size() == 12);

        // Copies are not copied, and a run that ended is not gone on with.
        CHECK(
            stack.run(program + " -aggregate-type=user").find("done: 7 events") !=
            std::string::npos
        );
        CHECK(
            stack.run(program + " -aggregate-type=order").find("done: 0 events") !=
            std::string::npos
        );
    }
}

TEST_CASE("O11: backfill takes the events between two moments to the topic it is given") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        const auto ids = three_events(stack);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            (void)stack.sql(
                "UPDATE outbox_events SET created_at = '2026-01-0" +
                std::to_string(i + 1) + "T00:00:00.000000Z' WHERE id = '" + ids[i] + "'"
            );
        }
        // From the second on, and before the third.
        const std::vector<std::string> chosen{
            "-aggregate-type=user",
            "-from=2026-01-02T00:00:00Z",
            "-to=2026-01-03T00:00:00Z"};
        auto dry = chosen;
        dry.emplace_back("-dry-run");
        CHECK(
            backfill(stack.environment(), dry).output.find("user.created: 1 events") !=
            std::string::npos
        );
        auto replay = chosen;
        replay.emplace_back("-topic=user-events-replay");
        CHECK(backfill(stack.environment(), replay).code == 0);
        const auto header = original_of(kind);
        CHECK(
            stack.sql(
                "SELECT topic, event_type, status, " + header +
                " FROM outbox_events WHERE " + header + " IS NOT NULL"
            ) == std::vector<std::string>{"user-events-replay|user.created|NEW|" + ids[1]}
        );
    }
}

TEST_CASE("O11: a backfill that was killed goes on and writes no event twice") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        create_users(stack, 150);
        const std::vector<std::string> command{
            BACKFILL, "-aggregate-type=user", "-chunk=1"};
        {
            Process run(command, stack.environment(), stack.folder() / "killed.log");
            REQUIRE(eventually([&] {
                return run.output().find("written") != std::string::npos;
            }));
            run.kill();
            REQUIRE(run.output().find("done") == std::string::npos);
        }
        Process run(command, stack.environment(), stack.folder() / "backfill.log");
        CHECK(run.wait() == 0);
        CHECK(stack.sql("SELECT id FROM outbox_events").size() == 300);
        const auto header = original_of(kind);
        const auto copies = stack.sql(
            "SELECT " + header + " AS original FROM outbox_events WHERE " + header +
            " IS NOT NULL"
        );
        const auto distinct = stack.sql(
            "SELECT DISTINCT " + header + " FROM outbox_events WHERE " + header +
            " IS NOT NULL"
        );
        CHECK(copies.size() == distinct.size());
        CHECK(distinct.size() == 150);
    }
}

TEST_CASE("O11: two processes with the same request share its run and copy nothing twice"
) {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        create_users(stack, 50);
        const std::vector<std::string> command{
            BACKFILL, "-aggregate-type=user", "-chunk=1"};
        bool shared = false;
        for (std::size_t tries = 1; tries <= 5 && !shared; ++tries) {
            Process first(command, stack.environment(), stack.folder() / "first.log");
            Process second(command, stack.environment(), stack.folder() / "second.log");
            CHECK(first.wait() == 0);
            CHECK(second.wait() == 0);
            const auto runs = stack.sql("SELECT id FROM backfill_runs").size();
            const auto events = stack.sql("SELECT id FROM outbox_events").size();
            CHECK(events == 50 + 50 * runs);
            // One that begins when the other has ended makes a run of its own.
            shared = runs < 2 * tries;
        }
        CHECK(shared);
    }
}

TEST_CASE("O11: a backfill moves over stretches without an event, and so does a dry run"
) {
    for (const auto kind : kinds) {
        Stack stack(kind);
        (void)stack.run(std::string(MIGRATE) + " up");
        for (int i = 10; i < 60; ++i) {
            const std::string type = i % 25 == 0 ? "user" : "order";
            const auto n = std::to_string(i);
            (void)stack.sql(
                "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, "
                "event_type, "
                "event_data, topic, created_at) VALUES "
                "('01890a5d-ac96-774b-bcce-b302099a80" +
                n + "', '" + type + "', '7', '" + type + ".created', '{}', 't', " +
                "'2026-01-01T00:00:" + n + ".000000Z')"
            );
        }
        // The 16th and the 41st.
        const auto dry = backfill(
            stack.environment(), {"-aggregate-type=user", "-scan=7", "-dry-run"}
        );
        CHECK_MESSAGE(
            dry.output.starts_with("user.created: 2 events from 2026-01-01"), dry.output
        );
        CHECK(dry.output.find("00:25") != std::string::npos);
        CHECK(dry.output.find("00:50") != std::string::npos);
        const auto done =
            backfill(stack.environment(), {"-aggregate-type=user", "-scan=7"});
        CHECK_MESSAGE(
            done.output ==
                "0 events written, position 7 of 50\n0 events written, position 14 of "
                "50\n"
                "1 events written, position 21 of 50\n1 events written, position 28 of "
                "50\n"
                "1 events written, position 35 of 50\n2 events written, position 42 of "
                "50\n"
                "2 events written, position 49 of 50\n2 events written, position 50 of "
                "50\n"
                "done: 2 events\n",
            done.output
        );
    }
}

TEST_CASE("O11: a bad backfill request is refused in one sentence that names the setting"
) {
    ScratchFolder folder;
    const Environment environment{{"DATA_DIR", folder.path()}};
    const std::pair<std::vector<std::string>, std::string> requests[] = {
        {{}, "--aggregate-type: "},
        {{"-aggregate-type=user", "-from=yesterday"}, "--from: "},
        {{"-aggregate-type=user", "-to=9999-01-01T00:00:00Z"}, "--to: "},
        {{"-aggregate-type=user",
          "-from=2026-01-02T00:00:00Z",
          "-to=2026-01-01T23:59:59.5Z"},
         "--from: must be before --to"},
        {{"-aggregate-type=user",
          "-from=2026-01-02T00:00:00Z",
          "-to=2026-01-02T00:00:00.000Z"},
         "--from: must be before --to"}};
    for (const auto& [options, sentence] : requests) {
        const auto ended = backfill(environment, options);
        CHECK(ended.code == 2);
        CHECK_MESSAGE(ended.output.starts_with("backfill: " + sentence), ended.output);
        CHECK(ended.output.find('\n') == ended.output.size() - 1);
    }
}

TEST_CASE("O11: a backfill of a database without tables says to migrate up") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        // The embedded database has no file yet.
        if (kind == Stack::Kind::real) (void)stack.sql("DROP TABLE backfill_runs");
        for (const bool dry : {false, true}) {
            std::vector<std::string> options{"-aggregate-type=user"};
            if (dry) options.emplace_back("-dry-run");
            const auto ended = backfill(stack.environment(), options);
            CHECK(ended.code == 1);
            CHECK_MESSAGE(
                ended.output.find("migrate up") != std::string::npos, ended.output
            );
            CHECK(ended.output.find('\n') == ended.output.size() - 1);
        }
    }
}

TEST_CASE("O11: a row that no event may be like is left out of a backfill and named") {
    for (const auto kind : kinds) {
        Stack stack(kind);
        stack.start_server();
        const auto ids = three_events(stack);
        (void)stack.sql(
            "UPDATE outbox_events SET event_type = '' WHERE id = '" + ids[1] + "'"
        );
        const auto ended =
            backfill(stack.environment(), {"-aggregate-type=user", "-limit=2"});
        CHECK(ended.code == 0);
        CHECK_MESSAGE(
            ended.output.find(ids[1] + " left out: ") != std::string::npos, ended.output
        );
        CHECK(ended.output.find("event_type: is empty") != std::string::npos);
        CHECK_MESSAGE(
            ended.output.find("done: 2 events") != std::string::npos, ended.output
        );
    }
}

TEST_CASE("O11: a row whose headers are no JSON is written again as it was delivered") {
    // A jsonb column takes no such headers; a relay delivers the event without any.
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    const auto ids = three_events(stack);
    (void)stack.sql(
        "UPDATE outbox_events SET headers = '{broken' WHERE id = '" + ids[1] + "'"
    );
    const auto dry = backfill(stack.environment(), {"-aggregate-type=user", "-dry-run"});
    CHECK_MESSAGE(
        dry.output.find("user.created: 3 events") != std::string::npos, dry.output
    );
    const auto ended = backfill(stack.environment(), {"-aggregate-type=user"});
    CHECK(ended.code == 0);
    CHECK_MESSAGE(ended.output.find("done: 3 events") != std::string::npos, ended.output);
    CHECK(
        stack.sql(
            "SELECT headers FROM outbox_events WHERE seq > 3 AND headers LIKE '%" +
            ids[1] + "%'"
        ) == std::vector<std::string>{R"({"backfill-of":")" + ids[1] + R"("})"}
    );
}
