// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CONSUMER_SESSION_HPP
#define RESILIENCE_SRC_KAFKA_CONSUMER_SESSION_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/consumer.hpp>

#include "kafka/client.hpp"
#include "kafka/owned_partitions.hpp"
#include "kafka/patience.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

namespace resilience::kafka::detail {

/** What a @ref Consumer does on its thread. Its calls block.

    @par Thread safety
    `rewind`, `snapshot` and `silence`: safe. The rest: one call at a time.
*/
class ConsumerSession {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit ConsumerSession(ConsumerOptions options);
    ~ConsumerSession();
    ConsumerSession(const ConsumerSession&) = delete;
    ConsumerSession& operator=(const ConsumerSession&) = delete;

    Result<std::vector<Record>> poll(
        std::size_t max, std::chrono::milliseconds wait, const std::stop_token& stop
    );
    Result<void> commit(
        const std::vector<NextOffset>& offsets, const std::stop_token& stop
    );
    void rewind() noexcept { rewinding_ = true; }
    Result<void> close(const std::stop_token& stop);
    ConsumerSnapshot snapshot() const;

    /// Tells nobody of partitions any more. Waits for who is being told.
    void silence();

private:
    Result<std::vector<Record>> next(
        std::size_t max, std::chrono::milliseconds wait, const std::stop_token& stop
    );
    Result<void> open();
    bool leave(const Patience& patience);
    Result<void> seek_back(const Patience& patience);

    bool is_overdue() const;
    void gather(std::size_t max, const Patience& patience);
    Result<std::vector<Record>> hand_out(std::size_t max);
    std::size_t drop(const TopicPartition& partition);
    void measure();

    void take(rd_kafka_event_t& event);
    void take_error(rd_kafka_event_t& event);
    std::optional<Failure> fatal() const;
    void rebalance(rd_kafka_event_t& event);
    void tell(Rebalance kind, const std::vector<TopicPartition>& partitions);

    Result<void> send(std::vector<NextOffset> due, const Patience& patience);
    std::optional<Failure> settle(rd_kafka_event_t& answer, std::vector<NextOffset>& due);

    ConsumerOptions options_;
    Settings settings_;
    ClientLog log_;
    // Without a client it has not joined its group, or has left it.
    ConsumerHandle client_;
    QueueHandle queue_;
    OwnedPartitions owned_;
    // What was fetched and not handed out.
    std::vector<Record> pending_;
    std::size_t pending_bytes_ = 0;
    // What the client said that keeps records from coming.
    std::optional<Failure> failure_;
    // What it said that may pass by itself.
    std::optional<Failure> trouble_;
    bool closed_ = false;
    std::optional<TimePoint> polled_at_;
    // Whether the poll that runs comes later than the group waits for.
    bool overdue_ = false;
    std::atomic<bool> rewinding_ = false;

    std::mutex hook_mutex_;
    mutable std::mutex mutex_;
    ConsumerSnapshot counters_;
};

}  // namespace resilience::kafka::detail

#endif
