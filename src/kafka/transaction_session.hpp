// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TRANSACTION_SESSION_HPP
#define RESILIENCE_SRC_KAFKA_TRANSACTION_SESSION_HPP

#include <resilience/kafka/transactional_producer.hpp>

#include "kafka/chunk_reports.hpp"
#include "kafka/configuration.hpp"
#include "kafka/patience.hpp"
#include "kafka/request_ledger.hpp"
#include "kafka/transaction_end.hpp"
#include "kafka/transactional_client.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

namespace resilience::kafka::detail {

/** What @ref TransactionalProducer does, on the thread that may block.

    @par Thread safety
    `is_open`: safe. Otherwise one call at a time.
*/
class TransactionSession {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    TransactionSession(ProducerOptions producer, TransactionalProducerOptions options);

    Result<void> open(const std::stop_token& stop);
    Result<void> commit(
        const std::vector<Message>& messages, const std::stop_token& stop
    );
    std::optional<std::size_t> refused() const noexcept { return refused_; }
    bool is_open() const noexcept { return is_open_; }

private:
    Result<void> prepare_marks(const Patience& patience);
    Result<void> transact(
        const std::vector<Message>& messages,
        ChunkReports& reports,
        const Patience& patience
    );
    Result<void> send(
        const std::vector<Message>& messages,
        ChunkReports& reports,
        const Patience& patience
    );
    Failure failed(std::size_t index, const Message& message, Failure failure);
    Failure give_up(Failure failure);

    ProducerOptions producer_;
    TransactionalProducerOptions options_;
    Settings settings_;
    RequestLedger ledger_;
    std::unique_ptr<TransactionalClient> client_;
    Stage stage_ = Stage::before;
    std::optional<std::size_t> refused_;
    std::atomic<bool> is_open_{false};
};

}  // namespace resilience::kafka::detail

#endif
