// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_WORLD_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_WORLD_HPP

#include <chaos/exactly_once/checker.hpp>
#include <chaos/exactly_once/topic_reader.hpp>
#include <chaos/exactly_once/writers.hpp>
#include <e2e/harness/http_client.hpp>
#include <e2e/harness/process.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace resilience::e2e {

struct WorldOptions {
    /// DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, KAFKA_BROKERS of servers of the
    /// test's own; those that are not here are of the environment, and must be there.
    Environment servers;
    /// Variables of each relay, over those of the world.
    Environment relay;
    int lanes = 4;
    std::map<std::string, std::string> topic_settings;
    /// Keeps a copy of each row for the checker, where a relay removes rows.
    bool keeps_copies = false;
};

/// A database with an outbox and a topic of a test's own.
class World {
public:
    explicit World(WorldOptions options = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// What a relay of this world is told.
    const Environment& environment() const { return environment_; }
    const std::string& brokers() const { return environment_.at("KAFKA_BROKERS"); }
    const std::string& topic() const { return topic_; }
    const std::filesystem::path& folder() const { return folder_.path(); }

    /// How libpq connects to the database.
    std::string conninfo() const;
    WritersOptions writers(int count = 12) const;

    /// Reads on until as much is delivered as is committed.
    bool drained(
        std::span<TopicReader> readers,
        std::chrono::milliseconds limit = std::chrono::seconds{90}
    ) const;
    bool drained(TopicReader& reader) const { return drained({&reader, 1}); }

    /// Reads to the end of what is committed, and judges.
    Verdict verdict(std::span<TopicReader> readers) const;
    Verdict verdict(TopicReader& reader) const { return verdict({&reader, 1}); }

private:
    ScratchFolder folder_;
    Environment environment_;
    std::string admin_database_;
    std::string topic_;
    std::string rows_;
    int lanes_;
};

/// The committed rows of an outbox.
std::vector<Written> written_in(
    const std::string& conninfo, const std::string& table = "outbox_events"
);

/// How libpq connects to the server and database that the variables name.
std::string conninfo_of(const Environment& environment);

/// A free port of 127.0.0.1 below the range from which the kernel takes the local ends of
/// connections, for who is killed and started again and again.
int lasting_port();

/// A relay of a world, which may be ended and started again.
class Instance {
public:
    /// @param program By default the program `relay`.
    Instance(
        const World& world,
        std::string name,
        Environment more = {},
        std::string program = RELAY
    );

    void start(const Environment& more = {});
    Process& process() { return *process_; }
    /// All that it ever said.
    std::string log() const { return process_->output(); }
    /// How many lanes it says that it has.
    int owned() const;
    HttpClient http() const { return HttpClient{port_}; }

    /// Asks it to end. @return Whether it did, in order.
    bool end();

private:
    std::vector<std::string> program_;
    Environment environment_;
    std::filesystem::path log_;
    int port_;
    std::optional<Process> process_;
};

/// What a test did and what came of it, in one line that begins with `figures:`.
class Trial {
public:
    explicit Trial(std::string what) : what_(std::move(what)) {}

    /// @param done What was done, such as `kills 70`.
    std::string figures(const std::string& done, const Verdict& verdict) const;

private:
    std::string what_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// A number from the environment, or this one.
int number_from(const char* variable, int otherwise);

/// The seed of a test, which is told: RESILIENCE_TEST_SEED, or a new one.
unsigned chosen_seed();

/// Whether the long form of the suite runs: CHAOS_FORM=long.
bool is_long_form();

}  // namespace resilience::e2e

#endif
