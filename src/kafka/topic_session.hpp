// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TOPIC_SESSION_HPP
#define RESILIENCE_SRC_KAFKA_TOPIC_SESSION_HPP

#include <resilience/kafka/topic_reader.hpp>

#include "kafka/client.hpp"
#include "kafka/patience.hpp"
#include "kafka/stretch_reader.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace resilience::kafka::detail {

/** The reading of a @ref TopicReader. Its calls block.

    Two clients: one that sees where partitions end whatever transactions are open, and
    one that reads.
*/
class TopicSession {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    TopicSession(ProducerOptions connection, TopicReaderOptions options);

    Result<void> open(const std::stop_token& stop);
    Result<std::vector<Record>> read(const std::stop_token& stop);
    const std::vector<PartitionProgress>& progress() const noexcept {
        return partitions_;
    }

private:
    // The time of an opening, and of each of its questions.
    class Opening {
    public:
        Opening(TimePoint ends, std::chrono::milliseconds patience, std::stop_token stop)
            : ends_(ends), patience_(patience), stop_(std::move(stop)) {}

        Patience next() const {
            return {std::min(ends_, Clock::now() + patience_), stop_};
        }
        bool is_over() const { return Clock::now() >= ends_; }

    private:
        TimePoint ends_;
        std::chrono::milliseconds patience_;
        std::stop_token stop_;
    };

    Patience patience(const std::stop_token& stop) const {
        return {Clock::now() + options_.patience, stop};
    }
    Result<void> connect();
    Result<void> find_partitions(const Opening& opening);
    Result<void> find_ends(const Opening& opening);
    Result<void> find_beginnings(const Opening& opening);
    Result<void> fill();
    Result<std::vector<Record>> next(const std::stop_token& stop);
    void note();
    std::string silence() const;

    ProducerOptions connection_;
    TopicReaderOptions options_;
    ClientLog log_;
    ClientHandle uncommitted_;
    // Reads.
    ClientHandle reading_;
    std::vector<PartitionProgress> partitions_;
    // The first of `partitions_` that was not begun with.
    std::size_t next_ = 0;
    std::unique_ptr<StretchReader> stretches_;
};

}  // namespace resilience::kafka::detail

#endif
