// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_LANES_HPP
#define RESILIENCE_TESTS_E2E_LANES_HPP

#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace resilience::e2e {

using namespace std::chrono_literals;

/// Servers, a topic that there is, and relays of its own that deliver exactly once.
struct Lanes : Stack {
    explicit Lanes(int lanes = 4, Environment more = {})
        : Stack(Kind::real, with_lanes(lanes, std::move(more))) {
        start_server();
    }

    static Environment with_lanes(int lanes, Environment more) {
        more["RELAY_MODE"] = "exactly_once";
        more["RELAY_LANES"] = std::to_string(lanes);
        return more;
    }

    /// A client that asks for it makes the broker create it.
    void create_topic(const std::string& name) const {
        const auto list =
            "kcat -L -b '" + environment().at("KAFKA_BROKERS") + "' -t '" + name + "'";
        REQUIRE(eventually([&] {
            return shell(list).find("partition 0, leader") != std::string::npos;
        }));
    }
    void create_topic() const { create_topic(topic()); }

    std::size_t rows() const {
        return std::stoul(sql("SELECT count(*) FROM outbox_events").at(0));
    }
    std::size_t rows(const std::string& where) const {
        return std::stoul(sql("SELECT count(*) FROM outbox_events WHERE " + where).at(0));
    }

    /// Writes events of these numbers, each of a key of its own, as one transaction.
    void write(int first, int last) const {
        (void)sql(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, partition_key) SELECT gen_random_uuid(), 't', n::text, "
            "'e', jsonb_build_object('n', n), '" +
            topic() + "', n::text FROM generate_series(" + std::to_string(first) + ", " +
            std::to_string(last) + ") n"
        );
    }

    bool all_delivered() const {
        return eventually([this] { return delivered().size() >= rows(); }, 60s);
    }
};

/// One of several relays of a stack.
struct Relay {
    Relay(const Stack& stack, const std::string& name, const Environment& more = {})
        : port(free_port()) {
        auto environment = stack.environment();
        environment["METRICS_PORT"] = std::to_string(port);
        for (const auto& [key, value] : more) environment[key] = value;
        process.emplace(
            std::vector<std::string>{RELAY}, environment, stack.folder() / (name + ".log")
        );
    }

    HttpClient http() const { return HttpClient{port}; }

    /// How many lanes it says that it has.
    int owned() const {
        std::istringstream text{http().get("/metrics").body};
        int count = 0;
        for (std::string line; std::getline(text, line);) {
            if (line.starts_with("relay_lane_owned{") && line.ends_with(" 1")) ++count;
        }
        return count;
    }
    bool owns(int lanes) const {
        return eventually([&] { return owned() == lanes; });
    }
    bool is_ready() const {
        return eventually([&] { return http().get("/readyz").status == 200; });
    }
    /// Whether it says so in one of its metrics.
    bool shows(const std::string& series) const {
        return ("\n" + http().get("/metrics").body).find("\n" + series + "\n") !=
               std::string::npos;
    }
    /// Whether its end by SIGTERM is a good one.
    bool ends() {
        process->signal(SIGTERM);
        return process->wait() == 0;
    }

    int port;
    std::optional<Process> process;
};

}  // namespace resilience::e2e

#endif
