// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_RELAY_COMMITTED_READER_HPP
#define RESILIENCE_BENCH_RELAY_COMMITTED_READER_HPP

#include <resilience/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

struct rd_kafka_s;

namespace resilience::bench {

/// Reads a topic of a few partitions from its beginning, as a consumer in
/// `read_committed` does, on a thread of its own.
class CommittedReader {
public:
    /// Is told each message's value and when it came; called on the reader's thread.
    using Seen = std::function<void(std::string_view value, TimePoint now)>;

    /// @throws std::runtime_error librdkafka refuses a setting.
    CommittedReader(
        const std::string& brokers, const std::string& topic, int partitions, Seen seen
    );
    ~CommittedReader();
    CommittedReader(const CommittedReader&) = delete;
    CommittedReader& operator=(const CommittedReader&) = delete;

    /// Messages that came.
    std::size_t count() const { return count_; }

    /// @return Whether that many came before `limit`.
    bool wait_for(std::size_t count, std::chrono::milliseconds limit) const;

private:
    void read();

    rd_kafka_s* client_ = nullptr;
    Seen seen_;
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace resilience::bench

#endif
