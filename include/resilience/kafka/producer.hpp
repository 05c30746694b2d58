// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_PRODUCER_HPP
#define RESILIENCE_KAFKA_PRODUCER_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/kafka/message.hpp>
#include <resilience/kafka/producer_options.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::kafka {

/** Sends messages to Kafka, each once and in order for each key.

    Idempotent, acknowledged by all replicas in sync. Reports reach the executor through
    a file descriptor that it watches; no thread polls.

    Order is kept without gaps: when one message fails at the broker or expires, no
    message behind it is sent. The producer is then fatal: it reports what is on its way
    as failed, takes nothing more, and the owner makes a new one (as @ref KafkaSink does).
    A message that is refused before it is sent harms no other.

    What a topic's partitions are is fetched before its first message, so that this one
    does not wait for a periodic refresh.

    With g++ 12 give a message a name before it is awaited: that compiler destroys a
    braced temporary inside of a `co_await` expression twice.

    @par Thread safety
    Safe, shared objects included.

    @par Object lifetimes
    Must not outlive the execution context of its executor. Destroying it never blocks:
    messages on their way complete with `closed` or `cancelled_in_doubt`, and the
    client's threads are ended by a thread that the context joins when it is destroyed.
    Until then that thread waits at most @ref ProducerOptions::metadata_timeout.
*/
class Producer {
public:
    using executor_type = net::any_io_executor;

    /// One result for each message, in the order of the messages.
    using Reports = std::vector<Result<DeliveryReport>>;

    /** Makes a producer that connects in the background.

        @throws std::invalid_argument Names the option that is out of range.
    */
    Producer(executor_type executor, ProducerOptions options);
    ~Producer();
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;

    executor_type get_executor() const;

    /** Sends one message; completes when it is acknowledged or has failed.

        @par Completion signature
        `void(Result<DeliveryReport>)`

        @par Errors
        @li `too_large`, `invalid_request` The message itself is refused.
        @li `bad_destination`, `access_denied` The topic or the partition is refused.
        @li `queue_full` Too many messages are on their way. Nothing was sent.
        @li `unavailable`, `timed_out` No broker could be reached. Nothing was sent.
        @li `timed_out_in_doubt`, `connection_lost` Sent and not acknowledged; it may be
       in the topic.
        @li `cancelled` Not sent because one before it failed; `cancelled_in_doubt` the
        same, but it may be in the topic.
        @li `closed` The producer is fatal or was destroyed. Nothing was sent.

        @par Cancellation
        None: a message cannot be called back. The wait ends soon after
        @ref ProducerOptions::delivery_timeout.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_produce(Message message, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<DeliveryReport>)>(
            InitiateProduce{impl_}, token, std::move(message)
        );
    }

    /** Sends messages in their order; completes when the last has its report.

        After a message of a key is refused, later ones of that key are not sent and carry
        `cancelled`. One allocation serves the whole batch.

        @par Completion signature
        `void(Producer::Reports)`

        @par Errors
        For each message those of @ref async_produce.

        @par Cancellation
        None, as above.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_produce_batch(
        std::vector<Message> messages, CompletionToken&& token = {}
    ) {
        return net::async_initiate<CompletionToken, void(Reports)>(
            InitiateBatch{impl_}, token, std::move(messages)
        );
    }

    /** Waits until no message is on its way.

        @par Completion signature
        `void(Result<void>)`

        @par Errors
        @li `timed_out` Some still are; they go on.
        @li `closed` The producer was destroyed.

        @par Cancellation
        None.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_flush(std::chrono::milliseconds timeout, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<void>)>(
            InitiateFlush{impl_}, token, timeout
        );
    }

    /** Asks the cluster for a topic, which a broker may be set to create then.

        The answer is remembered for five minutes.

        @par Completion signature
        `void(Result<TopicMetadata>)`

        @par Errors
        @li `bad_destination`, `access_denied` No such topic, or not for this client.
        @li `unavailable` No broker answered in time.
        @li `closed` The producer was destroyed.

        @par Cancellation
        None; the wait ends soon after @ref ProducerOptions::metadata_timeout.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_metadata(std::string topic, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<TopicMetadata>)>(
            InitiateMetadata{impl_}, token, std::move(topic)
        );
    }

    /// Whether a message failed so that none can follow it; then only a new producer
    /// helps.
    bool is_fatal() const noexcept;

private:
    struct Impl;
    using BatchHandler = net::any_completion_handler<void(Reports)>;

    struct InitiateProduce {
        std::shared_ptr<Impl> impl;
        void operator()(Handler<DeliveryReport> handler, Message message) const;
    };
    struct InitiateBatch {
        std::shared_ptr<Impl> impl;
        void operator()(BatchHandler handler, std::vector<Message> messages) const;
    };
    struct InitiateFlush {
        std::shared_ptr<Impl> impl;
        void operator()(Handler<void> handler, std::chrono::milliseconds timeout) const;
    };
    struct InitiateMetadata {
        std::shared_ptr<Impl> impl;
        void operator()(Handler<TopicMetadata> handler, std::string topic) const;
    };

    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
