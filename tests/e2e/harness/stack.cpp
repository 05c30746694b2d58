// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace resilience::e2e {
namespace {

namespace json = boost::json;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (!line.empty()) all.push_back(line);
    }
    return all;
}

std::string unique_name(const std::string& prefix) {
    static std::atomic<int> count{0};
    const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
    return prefix + "_" + std::to_string(::getpid()) + "_" +
           std::to_string(ticks % 1'000'000'007) + "_" + std::to_string(++count);
}

std::string text_of(const json::object& object, const char* name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// `kcat -J` prints an envelope a line: headers as [name, value, name, value, ...].
Message from_kcat(const json::object& envelope) {
    Message message{
        .key = text_of(envelope, "key"), .data = text_of(envelope, "payload")};
    if (const auto* headers = envelope.if_contains("headers");
        headers && headers->is_array()) {
        const auto& all = headers->get_array();
        for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
            if (all[i] == "ce_id") message.id = std::string(all[i + 1].as_string());
            if (all[i] == "ce_type") message.type = std::string(all[i + 1].as_string());
            if (all[i] == "lane") message.lane = std::string(all[i + 1].as_string());
            if (all[i] == "lane_seq") {
                message.lane_seq = std::string(all[i + 1].as_string());
            }
        }
    }
    return message;
}

Message from_event_file(const json::object& line) {
    const auto* data = line.if_contains("data");
    return {
        .id = text_of(line, "id"),
        .type = text_of(line, "type"),
        .key = text_of(line, "partitionkey"),
        .data = data != nullptr ? json::serialize(*data) : ""};
}

}  // namespace

std::string required_variable(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw std::runtime_error(
            std::string(name) +
            " is not set; run: scripts/services start && eval \"$(scripts/services env)\""
        );
    }
    return value;
}

Stack::Stack(Kind kind, Environment more)
    : kind_(kind), port_(free_port()), relay_port_(free_port()) {
    environment_ = {
        {"PORT", std::to_string(port_)},
        {"METRICS_PORT", std::to_string(relay_port_)},
        {"DATA_DIR", folder().string()},
        {"RELAY_POLL_INTERVAL", "50ms"},
        {"ENABLE_TEST_ENDPOINTS", "1"},
    };
    if (kind == Kind::real) {
        for (const char* name :
             {"DB_HOST",
              "DB_PORT",
              "DB_USER",
              "DB_PASSWORD",
              "REDIS_ADDR",
              "KAFKA_BROKERS"}) {
            environment_[name] = required_variable(name);
        }
        topic_ = unique_name("events");
        environment_["KAFKA_TOPIC"] = topic_;
        environment_["DB_NAME"] = required_variable("DB_NAME");
        const auto database = unique_name("e2e");
        sql("CREATE DATABASE " + database);
        environment_["DB_NAME"] = database;
        run(std::string(MIGRATE) + " up");
    }
    for (auto& [name, value] : more) environment_[name] = value;
}

Stack::~Stack() {
    server_.reset();
    relay_.reset();
    if (kind_ != Kind::real) return;
    try {
        const auto database = environment_["DB_NAME"];
        environment_["DB_NAME"] = required_variable("DB_NAME");
        sql("DROP DATABASE " + database + " WITH (FORCE)");
    } catch (const std::exception&) {
        // The server may be down by the test's own doing; the database goes with it.
    }
}

void Stack::start_server() {
    server_.reset();
    server_.emplace(
        std::vector<std::string>{UNIFIED_SERVER},
        environment_,
        folder() / "unified-server.log"
    );
    if (!eventually([this] {
            return !server_->running() || http().get("/livez").status == 200;
        }) ||
        !server_->running()) {
        throw std::runtime_error("unified-server did not start:\n" + server_->output());
    }
}

void Stack::start_relay() {
    relay_.reset();
    relay_.emplace(std::vector<std::string>{RELAY}, environment_, folder() / "relay.log");
    if (!eventually([this] {
            return !relay_->running() || relay_http().get("/livez").status == 200;
        }) ||
        !relay_->running()) {
        throw std::runtime_error("relay did not start:\n" + relay_->output());
    }
}

std::vector<std::string> Stack::sql(const std::string& query) const {
    const auto file = folder() / "query.sql";
    std::ofstream(file) << query;
    if (kind_ == Kind::embedded) {
        return lines_of(shell(
            "sqlite3 -cmd '.timeout 5000' '" + (folder() / "resilience.db").string() +
            "' < '" + file.string() + "'"
        ));
    }
    const auto& e = environment_;
    return lines_of(shell(
        "psql -X -q -At -v ON_ERROR_STOP=1 -h '" + e.at("DB_HOST") + "' -p " +
            e.at("DB_PORT") + " -U '" + e.at("DB_USER") + "' -d '" + e.at("DB_NAME") +
            "' -f '" + file.string() + "'",
        {{"PGPASSWORD", e.at("DB_PASSWORD")}}
    ));
}

std::vector<Message> Stack::delivered() const {
    std::vector<Message> messages;
    if (kind_ == Kind::embedded) {
        std::ifstream file(folder() / "events.jsonl");
        for (std::string line; std::getline(file, line);) {
            messages.push_back(from_event_file(json::parse(line).as_object()));
        }
        return messages;
    }
    const auto& brokers = environment_.at("KAFKA_BROKERS");
    if (shell("kcat -L -J -b '" + brokers + "'").find('"' + topic_ + '"') ==
        std::string::npos) {
        return messages;
    }
    for (const auto& line : lines_of(shell(
             "kcat -C -q -e -J -o beginning -b '" + brokers + "' -t '" + topic_ + "'"
         ))) {
        messages.push_back(from_kcat(json::parse(line).as_object()));
    }
    return messages;
}

std::string Stack::run(const std::string& command) const {
    return shell(command, environment_);
}

}  // namespace resilience::e2e
