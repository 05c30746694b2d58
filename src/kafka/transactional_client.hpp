// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TRANSACTIONAL_CLIENT_HPP
#define RESILIENCE_SRC_KAFKA_TRANSACTIONAL_CLIENT_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/message.hpp>

#include "kafka/chunk_reports.hpp"
#include "kafka/client.hpp"
#include "kafka/patience.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace resilience::kafka::detail {

/** librdkafka's transactional producer. Its calls block.

    Failures say what the cluster said; whether the effect is in doubt, only the caller
    can tell.

    @par Thread safety
    None.
*/
class TransactionalClient {
public:
    /// A topic and what was last heard of it.
    struct Topic {
        TopicHandle handle;
        std::int32_t partitions = 0;
        TimePoint fetched_at{};
    };

    /// @throws std::invalid_argument A setting is refused.
    TransactionalClient(const Settings& settings, LogHook log, RequestLedger& ledger)
        : client_(settings, std::move(log), &ledger) {}

    /// Fences every other producer of this transactional id (I7).
    Result<void> init(const Patience& patience);

    /// The topic, asking the cluster for it first if need be: a message that waits for
    /// what the client finds out by itself waits for a second.
    Result<Topic*> topic(const std::string& name, const Patience& patience);

    Result<void> begin();

    /// Copies the message into the queue, waiting for room. @return 0 or librdkafka's
    /// code.
    int produce(
        Topic& topic,
        const MessageView& message,
        ReportReceiver* mark,
        const Patience& patience
    );

    /// Waits until all is reported, something failed, or nothing is left to wait for.
    Result<void> await_reports(ChunkReports& reports, const Patience& patience);

    Result<void> commit(const Patience& patience);

    /// Tells the cluster that the transaction is over, so that consumers need not wait
    /// for its time-out. Its failure does not matter.
    void abort(std::chrono::milliseconds timeout);

    /// Whether this producer can never write again because another took over.
    bool is_fenced();

    /// Why the transaction that is open cannot be committed any more, if the cluster has
    /// said so.
    std::optional<Failure> trouble();

private:
    Failure failure_of(const rd_kafka_error_t& error) const;

    Client client_;
    std::map<std::string, Topic> topics_;
};

}  // namespace resilience::kafka::detail

#endif
