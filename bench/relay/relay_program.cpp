// SPDX-License-Identifier: MIT
#include "bench/relay/relay_program.hpp"

#include <sstream>
#include <stdexcept>
#include <utility>

namespace resilience::bench {
namespace {

e2e::Environment environment_of(
    const RelayBench& bench, const std::string& folder, int port, e2e::Environment more
) {
    const auto& database = bench.database();
    e2e::Environment all = {
        {"RELAY_MODE", "exactly_once"},
        {"DB_HOST", database.host},
        {"DB_PORT", std::to_string(database.port)},
        {"DB_USER", database.user},
        {"DB_PASSWORD", database.password},
        {"DB_NAME", database.name},
        {"KAFKA_BROKERS", bench.brokers()},
        // As the clients of Kafka in the same figures, without encryption.
        {"DB_SSLMODE", "disable"},
        {"DATA_DIR", folder},
        {"METRICS_PORT", "127.0.0.1:" + std::to_string(port)}};
    for (auto& [name, value] : more) all[name] = value;
    return all;
}

}  // namespace

RelayProgram::RelayProgram(const RelayBench& bench, e2e::Environment more)
    : port_(e2e::free_port()),
      process_(
          {RELAY},
          environment_of(bench, folder_.path().string(), port_, std::move(more)),
          folder_.path() / "relay.log"
      ) {}

void RelayProgram::wait_until_ready(int lanes) const {
    const auto ready = [&] {
        return total("relay_lane_owned") >= lanes &&
               e2e::HttpClient{port_}.get("/readyz").status == 200;
    };
    if (!e2e::eventually(ready)) throw std::runtime_error(process_.output());
}

double RelayProgram::total(const std::string& metric) const {
    std::istringstream text{e2e::HttpClient{port_}.get("/metrics").body};
    double sum = 0;
    for (std::string line; std::getline(text, line);) {
        if (!line.starts_with(metric) || line.size() <= metric.size()) continue;
        if (line[metric.size()] != '{' && line[metric.size()] != ' ') continue;
        sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

}  // namespace resilience::bench
