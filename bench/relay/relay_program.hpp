// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_RELAY_RELAY_PROGRAM_HPP
#define RESILIENCE_BENCH_RELAY_RELAY_PROGRAM_HPP

#include "bench/relay/relay_bench.hpp"

#include <e2e/harness/http_client.hpp>
#include <e2e/harness/process.hpp>

#include <chrono>
#include <string>

namespace resilience::bench {

/// The program `relay` in exactly-once mode, as a user starts it, on the servers of a
/// @ref RelayBench.
class RelayProgram {
public:
    /// @param more Variables of its environment, over those of the bench.
    explicit RelayProgram(const RelayBench& bench, e2e::Environment more = {});

    /// Waits until it has so many lanes and delivers.
    /// @throws std::runtime_error It does not; the text holds its log.
    void wait_until_ready(int lanes) const;

    /// The sum of a metric over its lanes; 0 while it does not answer.
    double total(const std::string& metric) const;

    e2e::Process& process() { return process_; }
    const e2e::Process& process() const { return process_; }

private:
    e2e::ScratchFolder folder_;
    int port_;
    e2e::Process process_;
};

}  // namespace resilience::bench

#endif
