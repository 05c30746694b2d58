// SPDX-License-Identifier: MIT
// Operators' commands that are killed in the middle and run again.
#include <chaos/exactly_once/command.hpp>
#include <chaos/exactly_once/oversize.hpp>
#include <chaos/exactly_once/topic_admin.hpp>
#include <chaos/exactly_once/world.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace resilience::e2e;
using namespace std::chrono_literals;
using resilience::Event;

namespace {

/// An outbox whose relays have ended, and the commands that are killed over it.
struct Operated {
    Operated() : world(options()), lost(world.topic() + "-lost") {
        create_topic(world.brokers(), lost);
        create_topic(world.brokers(), world.topic() + ".dlq");
        // The events of a few keys become dead letters at times, those of others are
        // lost.
        shape = [this](Event& event, std::mt19937& dice) {
            const auto& key = event.aggregate_id;
            if (has_letters(key) && dice() % 6 == 0) event.event_data = oversize(dice);
            if (is_lost(key)) event.topic = lost;
        };
    }

    ~Operated() {
        if (!where.contains("DB_NAME")) return;
        Session(world.conninfo())
            .run("DROP DATABASE IF EXISTS " + where.at("DB_NAME") + " WITH (FORCE)");
    }

    static WorldOptions options() {
        WorldOptions options;
        options.relay["RELAY_POISON"] = "dlq";
        options.topic_settings["max.message.bytes"] = std::to_string(topic_limit);
        return options;
    }
    static bool has_letters(const std::string& key) { return key == "k1" || key == "k2"; }
    static bool is_lost(const std::string& key) { return key == "k3" || key == "k4"; }

    void write(std::size_t events) const {
        auto writing = world.writers();
        writing.lanes = lanes;
        writing.shape = shape;
        Writers writers(conninfo_of(environment()), writing);
        REQUIRE(eventually([&] { return writers.acknowledged() > events; }));
    }

    Environment environment() const {
        auto all = world.environment();
        for (const auto& [name, value] : where) all[name] = value;
        return all;
    }

    // Writes, and delivers all that there is.
    void deliver(const std::string& name, std::size_t events) {
        Instance relay(world, name, where);
        write(events);
        const auto rows = written_in(conninfo_of(environment()));
        CHECK_MESSAGE(
            eventually([&] { return arrived().size() >= rows.size(); }, 60s), relay.log()
        );
        CHECK_MESSAGE(relay.end(), relay.log());
    }

    // Everything in the topics, with what is a dead letter where there is no more of it.
    std::vector<Delivered> arrived() const {
        std::vector<Delivered> all;
        std::set<std::string> ids;
        for (const auto& topic : {world.topic(), lost, world.topic() + ".dlq"}) {
            TopicReader reader(world.brokers(), topic);
            reader.read();
            for (const auto& one : reader.delivered()) {
                const bool is_letter = topic.ends_with(".dlq");
                if (is_letter && ids.contains(one.id)) continue;
                ids.insert(one.id);
                all.push_back(one);
            }
        }
        return all;
    }

    // Kills the command again and again, then lets it end.
    CommandEnd insist(const std::vector<std::string>& arguments) {
        killer.run(arguments, times, where);
        return run_outbox(world, arguments, where);
    }
    CommandEnd run(const std::vector<std::string>& arguments) const {
        return run_outbox(world, arguments, where);
    }

    World world;
    std::string lost;
    std::function<void(Event&, std::mt19937&)> shape;
    Environment where;
    int lanes = 4;
    int times = number_from("CHAOS_COMMAND_KILLS", is_long_form() ? 12 : 1);
    CommandKiller killer{world, chosen_seed()};
};

void check_verified(const Operated& operated) {
    const auto verified = operated.run({"verify"});
    CHECK_MESSAGE(verified.code == 0, verified.text);
}

// Each run of the command that has begun to write takes the next one.
std::string version_in(const std::string& text) {
    const std::string before = "RELAY_MAP_VERSION=";
    const auto at = text.find(before);
    REQUIRE_MESSAGE(at != std::string::npos, text);
    const auto begin = at + before.size();
    return text.substr(begin, text.find_first_not_of("0123456789", begin) - begin);
}

// The restored copy of a database is another one.
void move_to_copy(Operated& operated) {
    const auto name = operated.world.environment().at("DB_NAME");
    auto admin = operated.world.environment();
    admin["DB_NAME"] = "postgres";
    Session(conninfo_of(admin)).run("CREATE DATABASE " + name + "_copy TEMPLATE " + name);
    operated.where["DB_NAME"] = name + "_copy";
    operated.where["RELAY_OUTBOX"] = name;
}

}  // namespace

TEST_CASE("I2, I9, I11: commands that are killed in the middle are simply run again") {
    MESSAGE("RESILIENCE_TEST_SEED=" << chosen_seed());
    const Trial trial("commands killed");
    Operated operated;
    const auto& world = operated.world;
    const std::size_t events = is_long_form() ? 5'000 : 300;
    operated.deliver("one", events);

    change_topic(world.brokers(), world.topic(), {});
    const auto replayed = operated.insist({"dlq", "replay", "--all"});
    CHECK_MESSAGE(replayed.code == 0, replayed.text);
    check_verified(operated);

    const auto fewer = operated.insist({"lanes", "2", "--yes"});
    CHECK_MESSAGE(fewer.code == 0, fewer.text);
    operated.lanes = 2;
    operated.where = {
        {"RELAY_LANES", "2"}, {"RELAY_MAP_VERSION", version_in(fewer.text)}};
    operated.deliver("two", 200);
    check_verified(operated);

    operated.write(events);
    move_to_copy(operated);
    const auto rebased = operated.insist({"rebase", "--yes"});
    CHECK_MESSAGE(rebased.code < 2, rebased.text);
    operated.deliver("three", 200);
    check_verified(operated);

    lose_topic(world.brokers(), operated.lost);
    const auto audited = operated.insist({"audit", "--since", "0"});
    CHECK_MESSAGE(audited.code < 2, audited.text);
    const auto again = operated.run({"audit", "--since", "0"});
    CHECK_MESSAGE(again.code == 0, again.text);

    auto rows = written_in(conninfo_of(operated.environment()));
    auto arrived = operated.arrived();
    const auto all = judge(rows, arrived);
    CHECK_MESSAGE(all.lost + all.duplicates + all.phantoms == 0, all.text());
    CHECK(all.events > 2 * events + 400);
    // Rows have changed their lanes, so that `outbox verify` alone has judged the
    // numbers; and what was replayed, or lost, has lost its place in its key.
    const auto is_moved = [](const auto& one) {
        return Operated::has_letters(one.key) || Operated::is_lost(one.key);
    };
    std::erase_if(rows, is_moved);
    std::erase_if(arrived, is_moved);
    auto verdict = judge(rows, arrived);
    verdict.lane_faults = 0;
    MESSAGE(trial.figures("kills " + std::to_string(operated.killer.kills()), verdict));
    CHECK(verdict.is_clean());
    CHECK(operated.killer.kills() > 0);
}
