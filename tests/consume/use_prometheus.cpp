// SPDX-License-Identifier: MIT
#include <resilience/circuit_breaker.hpp>
#include <resilience/prometheus/metrics.hpp>

#include <string>
#include <string_view>

int main() {
    resilience::prometheus::Metrics metrics;
    resilience::CircuitBreaker breaker{{}, metrics.observer("consumer")};
    breaker.try_acquire().done(resilience::Verdict::success);
    const std::string_view line =
        "resilience_circuit_breaker_successes_total{name=\"consumer\"} 1\n";
    return metrics.serialize().find(line) != std::string::npos ? 0 : 1;
}
