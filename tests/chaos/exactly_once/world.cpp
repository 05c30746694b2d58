// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/world.hpp>

#include <e2e/harness/stack.hpp>
#include <integration/kafka/cluster.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace resilience::e2e {
namespace {

bool is_free(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const bool ok =
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
}

std::string database_name() {
    auto name = test::unique_name("chaos");
    for (auto& c : name) {
        if (c == '-') c = '_';
    }
    return name;
}

constexpr const char* copies[] = {
    "CREATE TABLE chaos_copies (id uuid, partition_key text, event_type text, lane int)",
    "CREATE FUNCTION chaos_copy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
    "INSERT INTO chaos_copies VALUES (NEW.id, NEW.partition_key, NEW.event_type, "
    "NEW.lane); RETURN NULL; END'",
    "CREATE TRIGGER chaos_copy AFTER INSERT ON outbox_events FOR EACH ROW "
    "EXECUTE FUNCTION chaos_copy()"};

}  // namespace

int lasting_port() {
    static std::mt19937 random{std::random_device{}()};
    for (int i = 0; i < 1000; ++i) {
        const int port = std::uniform_int_distribution<int>{11'000, 19'999}(random);
        if (is_free(port)) return port;
    }
    throw std::runtime_error("no free port");
}

std::string conninfo_of(const Environment& environment) {
    return "host=" + environment.at("DB_HOST") + " port=" + environment.at("DB_PORT") +
           " user=" + environment.at("DB_USER") + " password='" +
           environment.at("DB_PASSWORD") + "' dbname=" + environment.at("DB_NAME") +
           " connect_timeout=5";
}

std::vector<Written> written_in(const std::string& conninfo, const std::string& table) {
    std::vector<Written> rows;
    for (const auto& row : Session(conninfo).run(
             "SELECT id, partition_key, event_type, lane FROM " + table
         )) {
        rows.push_back({row[0], row[1], std::stoll(row[2]), std::stoi(row[3])});
    }
    return rows;
}

World::World(WorldOptions options)
    : rows_(options.keeps_copies ? "chaos_copies" : "outbox_events"),
      lanes_(options.lanes) {
    for (const char* name :
         {"DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "KAFKA_BROKERS"}) {
        const auto given = options.servers.find(name);
        environment_[name] =
            given != options.servers.end() ? given->second : required_variable(name);
    }
    admin_database_ = environment_["DB_NAME"];
    const auto database = database_name();
    Session(conninfo_of(environment_)).run("CREATE DATABASE " + database);
    environment_["DB_NAME"] = database;
    shell(std::string(MIGRATE) + " up", environment_);
    if (options.keeps_copies) {
        Session session(conninfo());
        for (const char* statement : copies) session.run(statement);
    }
    topic_ = test::Cluster{brokers()}.make_topic("chaos", 4, options.topic_settings);
    environment_["RELAY_MODE"] = "exactly_once";
    environment_["RELAY_LANES"] = std::to_string(lanes_);
    environment_["DATA_DIR"] = folder().string();
    for (const auto& [name, value] : options.relay) environment_[name] = value;
}

World::~World() {
    try {
        auto environment = environment_;
        environment["DB_NAME"] = admin_database_;
        Session(conninfo_of(environment))
            .run("DROP DATABASE " + environment_["DB_NAME"] + " WITH (FORCE)");
    } catch (const std::exception&) {
        // The server may be down by the test's own doing; the database goes with it.
    }
}

std::string World::conninfo() const { return conninfo_of(environment_); }

WritersOptions World::writers(int count) const {
    WritersOptions options;
    options.writers = count;
    options.lanes = lanes_;
    options.topic = topic_;
    options.seed = chosen_seed();
    return options;
}

bool World::drained(std::span<TopicReader> readers, std::chrono::milliseconds limit)
    const {
    const auto rows = static_cast<std::size_t>(
        std::stoull(Session(conninfo()).value("SELECT count(*) FROM " + rows_))
    );
    return eventually(
        [&] {
            std::size_t count = 0;
            for (auto& reader : readers) {
                reader.read();
                count += reader.delivered().size();
            }
            return count >= rows;
        },
        limit
    );
}

Verdict World::verdict(std::span<TopicReader> readers) const {
    std::vector<Delivered> delivered;
    std::int64_t undecided = 0;
    for (auto& reader : readers) {
        reader.read();
        const auto& all = reader.delivered();
        delivered.insert(delivered.end(), all.begin(), all.end());
        undecided += reader.undecided();
    }
    return judge(written_in(conninfo(), rows_), delivered, undecided);
}

Instance::Instance(
    const World& world, std::string name, Environment more, std::string program
)
    : program_{std::move(program)},
      environment_(world.environment()),
      log_(world.folder() / (name + ".log")),
      port_(lasting_port()) {
    environment_["METRICS_PORT"] = "127.0.0.1:" + std::to_string(port_);
    for (const auto& [key, value] : more) environment_[key] = value;
    start();
}

void Instance::start(const Environment& more) {
    process_.reset();
    auto environment = environment_;
    for (const auto& [key, value] : more) environment[key] = value;
    process_.emplace(program_, environment, log_);
}

int Instance::owned() const {
    std::istringstream text{http().get("/metrics").body};
    int count = 0;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("relay_lane_owned{") && line.ends_with(" 1")) ++count;
    }
    return count;
}

bool Instance::end() {
    process_->signal(SIGTERM);
    return process_->wait() == 0;
}

std::string Trial::figures(const std::string& done, const Verdict& verdict) const {
    const auto time = std::chrono::steady_clock::now() - began_;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    return "figures: " + what_ + ": " + done + ", " + verdict.text() + ", seconds " +
           std::to_string(seconds);
}

int number_from(const char* variable, int otherwise) {
    const char* given = std::getenv(variable);
    return given != nullptr && *given != '\0' ? std::stoi(given) : otherwise;
}

unsigned chosen_seed() {
    static const unsigned seed = [] {
        const char* given = std::getenv("RESILIENCE_TEST_SEED");
        return given != nullptr ? static_cast<unsigned>(std::stoul(given))
                                : std::random_device{}();
    }();
    return seed;
}

bool is_long_form() {
    const char* form = std::getenv("CHAOS_FORM");
    return form != nullptr && std::string{form} == "long";
}

}  // namespace resilience::e2e
