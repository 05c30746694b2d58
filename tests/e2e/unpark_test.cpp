// SPDX-License-Identifier: MIT
// The program outbox, where it brings parked events to their topic.
#include <e2e/outbox_command.hpp>
#include <e2e/parked.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace resilience::e2e;

namespace {

// Three events of the key b are put aside, of which the first is too large for anything.
struct Waiting : Parked {
    Waiting() : Parked(Environment{{"RELAY_POISON", "park_key"}}) {
        write_one("a", 1);
        write_one("b", 1);
        write_one("b", 2, 2'000'000);
        write_one("b", 3);
        write_one("b", 4);
    }

    bool has_parked(std::size_t events) const {
        return eventually([&] { return parked_keys().size() == events; });
    }

    // The words that no relay has heard.
    std::size_t words() const { return sql("SELECT lane FROM outbox_unparks").size(); }

    // The numbers of the key's events that are in the topic.
    Numbers numbers(const std::string& key) const {
        Numbers found;
        for (const auto& line : read(topic(), "%k %s")) {
            const auto at = line.find("\"n\": ");
            if (!line.starts_with(key + ' ') || at == std::string::npos) continue;
            found.push_back(line.substr(at + 5, line.find_first_of(",}", at) - at - 5));
        }
        return found;
    }
};

}  // namespace

TEST_CASE("outbox unpark sends what was put aside in order, and the relay goes on") {
    const Waiting stack;
    Relay relay(stack, "one");
    REQUIRE(stack.has_parked(3));
    const auto status = outbox(stack, {"status"});
    CHECK(status.code == 0);
    CHECK_MESSAGE(
        status.says("  parked: key b of topic " + stack.topic() + ", 3 events since"),
        status.text
    );
    const auto shown = outbox(stack, {"status", "-json"}).json();
    const auto& position = shown.at("lanes").at(0).at("position").as_object();
    CHECK(position.at("parked_keys") == 1);
    CHECK(position.at("parked").at(0).at("key") == "b");
    CHECK(position.at("parked").at(0).at("events") == 3);

    const auto nobody = outbox(stack, {"unpark", "a"});
    CHECK(nobody.code == 3);
    CHECK_MESSAGE(nobody.says("the key is not parked"), nobody.text);
    CHECK(outbox(stack, {"unpark", "b", "--topic", "other"}).code == 3);
    CHECK(outbox(stack, {"unpark", "b", "--lane", "1"}).code == 2);
    CHECK(outbox(stack, {"unpark", "b", "--written", "4"}).code == 2);
    CHECK(outbox(stack, {"unpark"}).code == 2);
    CHECK(outbox(stack, {"unpark", "--help"}).says("usage: outbox unpark key [options]"));

    // What is behind an event that is refused does not overtake it.
    const auto refused = outbox(stack, {"unpark", "b"});
    CHECK(refused.code == 1);
    CHECK_MESSAGE(refused.says("number 1, is refused"), refused.text);
    CHECK_MESSAGE(refused.says("run it again with --written=1"), refused.text);
    CHECK(stack.numbers("b") == Numbers{"1"});
    CHECK(stack.words() == 0);

    const auto done = outbox(stack, {"unpark", "b", "--written", "1", "-json"});
    CHECK_MESSAGE(done.code == 0, done.text);
    CHECK(done.json().at("unparked") == true);
    CHECK(done.json().at("sent") == 2);
    CHECK(done.json().at("written") == 3);
    CHECK(relay.shows(R"(relay_lane_parked_keys{lane="0"} 0)"));
    stack.write_one("b", 5);
    CHECK(eventually([&] { return stack.numbers("b") == Numbers{"1", "3", "4", "5"}; }));
    CHECK(stack.parked_keys().size() == 3);
    CHECK(outbox(stack, {"unpark", "b"}).code == 3);
    // The mark of how far it has come ends with it.
    const auto marks = stack.read(
        "resilience." + stack.environment().at("DB_NAME") + ".position.marks", "%k %S"
    );
    REQUIRE_FALSE(marks.empty());
    std::string last;
    for (const auto& one : marks) {
        if (one.find("/unparked/0/") != std::string::npos) last = one;
    }
    CHECK_MESSAGE(last.ends_with(" -1"), last);
    const auto verified = outbox(stack, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
    CHECK(relay.ends());
}

TEST_CASE("outbox unpark that was given up is repeated, and writes nothing twice") {
    const Waiting stack;
    {
        Relay relay(stack, "one");
        REQUIRE(stack.has_parked(3));
        CHECK(relay.ends());
    }
    const auto late = outbox(stack, {"unpark", "b", "--written", "1", "--wait", "300ms"});
    CHECK(late.code == 3);
    CHECK_MESSAGE(late.says("nobody has the lane; start a relay"), late.text);
    CHECK(stack.numbers("b") == Numbers{"1", "3", "4"});
    // The word is lost, as with an owner that ends, and more is put aside.
    CHECK(stack.words() == 1);
    (void)stack.sql("DELETE FROM outbox_unparks");
    stack.write_one("b", 5);
    {
        Relay relay(stack, "two");
        REQUIRE(stack.has_parked(4));
        CHECK(relay.ends());
    }
    // A word is lost that counts all, once, and so is each that counts too few.
    (void)stack.sql("CREATE SEQUENCE asked");
    (void)stack.sql("CREATE SEQUENCE tries");
    (void)stack.sql(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "PERFORM nextval(''asked''); "
        "IF NEW.events < 5 OR nextval(''tries'') = 1 THEN RETURN NULL; END IF; "
        "RETURN NEW; END'"
    );
    (void)stack.sql(
        "CREATE TRIGGER lose BEFORE INSERT ON outbox_unparks FOR EACH ROW EXECUTE "
        "FUNCTION lose()"
    );
    // What was left out by hand is remembered, though nothing was sent.
    const auto by_hand =
        outbox(stack, {"unpark", "b", "--written", "4", "--wait", "300ms"});
    CHECK(by_hand.code == 3);
    CHECK(stack.numbers("b") == Numbers{"1", "3", "4"});
    const auto asked = stack.sql("SELECT last_value FROM asked");
    Process waits(
        {OUTBOX, "unpark", "b", "-json"},
        stack.environment(),
        stack.folder() / "unpark.log"
    );
    CHECK(eventually([&] { return stack.sql("SELECT last_value FROM asked") != asked; }));
    // While it waits, more is put aside.
    stack.write_one("b", 6);
    Relay relay(stack, "three");
    CHECK(waits.wait() == 0);
    const auto ran = boost::json::parse(waits.output()).as_object();
    CHECK(ran.at("unparked") == true);
    CHECK(ran.at("sent") == 1);
    CHECK(ran.at("written") == 5);
    stack.write_one("b", 7);
    CHECK(eventually([&] {
        return stack.numbers("b") == Numbers{"1", "3", "4", "6", "7"};
    }));
    const auto verified = outbox(stack, {"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
}

TEST_CASE("outbox unpark gives its word of all that it has written, though time is up") {
    const Waiting stack;
    Relay relay(stack, "one");
    REQUIRE(stack.has_parked(3));
    // Its first word takes longer than it may wait, and until the test lets it go.
    (void)stack.sql("CREATE SEQUENCE asked");
    (void)stack.sql("CREATE TABLE told (at int)");
    (void)stack.sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "IF nextval(''asked'') > 1 THEN RETURN NEW; END IF; "
        "WHILE NOT EXISTS (SELECT FROM told) LOOP PERFORM pg_sleep(0.02); END LOOP; "
        "PERFORM pg_sleep(0.2); RETURN NEW; END'"
    );
    (void)stack.sql(
        "CREATE TRIGGER hold BEFORE INSERT ON outbox_unparks FOR EACH ROW EXECUTE "
        "FUNCTION hold()"
    );
    auto environment = stack.environment();
    environment["DB_TIMEOUT"] = "60s";
    Process unpark(
        {OUTBOX, "unpark", "b", "--written", "1", "--wait", "100ms"},
        environment,
        stack.folder() / "unpark.log"
    );
    REQUIRE(eventually([&] {
        return stack.sql("SELECT is_called FROM asked").at(0) == "t";
    }));
    stack.write_one("b", 5);
    REQUIRE(stack.has_parked(4));
    (void)stack.sql("INSERT INTO told VALUES (1)");
    CHECK(unpark.wait() == 3);
    CHECK_MESSAGE(
        unpark.output().find("of which 4 events are in their topic") != std::string::npos,
        unpark.output()
    );
    CHECK(stack.numbers("b") == Numbers{"1", "3", "4", "5"});
    CHECK(eventually([&] { return relay.shows(R"(relay_lane_parked_keys{lane="0"} 0)"); })
    );
    CHECK(relay.ends());
}
