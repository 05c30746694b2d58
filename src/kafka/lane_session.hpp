// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_LANE_SESSION_HPP
#define RESILIENCE_SRC_KAFKA_LANE_SESSION_HPP

#include <resilience/kafka/lane_producer.hpp>

#include "kafka/chunk_reports.hpp"
#include "kafka/configuration.hpp"
#include "kafka/lane_message.hpp"
#include "kafka/patience.hpp"
#include "kafka/request_ledger.hpp"
#include "kafka/transaction_end.hpp"
#include "kafka/transaction_rest.hpp"
#include "kafka/transactional_client.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace resilience::kafka::detail {

/** What @ref LaneProducer does, on the thread that may block.

    @par Thread safety
    `snapshot`: safe. Otherwise one call at a time.
*/
class LaneSession {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    LaneSession(ProducerOptions producer, LaneProducerOptions options);

    Result<std::optional<LanePosition>> take_over(const std::stop_token& stop);
    Result<void> commit(
        std::span<const WindowEvent> events,
        const LanePosition& next,
        const std::stop_token& stop
    );

    const std::vector<LaneRefusal>& refusals() const noexcept { return refusals_; }
    TimePoint ready_at() const noexcept { return ended_at_ + rest_.value(); }
    LaneProducerSnapshot snapshot() const;

private:
    Result<std::optional<LanePosition>> read_position(const Patience& patience);
    Result<void> transact(
        std::span<const WindowEvent> events,
        const LanePosition& next,
        ChunkReports& reports,
        const Patience& patience
    );
    Result<void> check(std::span<const WindowEvent> events, const LanePosition& next);
    Result<void> find_topics(
        std::span<const WindowEvent> events, const Patience& patience
    );
    void send(
        std::span<const WindowEvent> events,
        const LanePosition& next,
        ChunkReports& reports,
        const Patience& patience
    );
    bool send_event(
        const Event& event,
        std::size_t index,
        std::uint64_t lane_seq,
        ChunkReports& reports,
        const Patience& patience
    );
    Result<void> undelivered(
        const ChunkReports& reports,
        std::span<const WindowEvent> events,
        const Result<void>& waited
    );
    Result<void> refused(
        const std::vector<FailedMessage>& failed, std::span<const WindowEvent> events
    );
    Failure give_up(Failure failure);
    void committed(std::size_t events, const LanePosition& next, TimePoint began);
    void count(const Failure& failure);

    ProducerOptions producer_options_;
    LaneProducerOptions options_;
    Settings settings_;
    // Of the event that is sent.
    LaneMessage message_;

    RequestLedger ledger_;
    std::unique_ptr<TransactionalClient> client_;
    Stage stage_ = Stage::before;
    TransactionRest rest_;
    TimePoint ended_at_{};
    std::uint64_t lane_seq_ = 0;
    // Topics to be asked for again in the next take-over.
    std::set<std::string> topics_;
    // Why the last producer was replaced after a commit; empty: it was not.
    std::string replaced_;
    std::vector<LaneRefusal> refusals_;

    mutable std::mutex mutex_;
    LaneProducerSnapshot counters_;
};

}  // namespace resilience::kafka::detail

#endif
