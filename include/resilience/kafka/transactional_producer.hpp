// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_TRANSACTIONAL_PRODUCER_HPP
#define RESILIENCE_KAFKA_TRANSACTIONAL_PRODUCER_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/message.hpp>
#include <resilience/kafka/producer_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience::kafka {

/// Settings of a @ref TransactionalProducer.
struct TransactionalProducerOptions {
    /// Whose transactions follow one another; a new owner fences the last. Required, 1 to
    /// 249 characters.
    std::string transactional_id;

    /// A compacted topic of one partition for marks, which @ref
    /// TransactionalProducer::open makes whenever it is not there. It is no topic that
    /// others wait to read to its end: they would wait for a transaction whose producer
    /// was killed. Default empty: none.
    std::string mark_topic{};

    /// Replicas of a mark topic that is made. -1 to 100, not 0; default -1: as many as
    /// the cluster is set to give.
    int mark_replicas = -1;

    /// After this time the cluster aborts a transaction that was not ended. Longer than
    /// @ref ProducerOptions::socket_timeout, at most 15 min; default 20 s.
    std::chrono::milliseconds transaction_timeout{20'000};

    /// Longest time of an @ref TransactionalProducer::open. 100 ms to 50 s; default 30 s.
    std::chrono::milliseconds open_timeout{30'000};
};

/** Sends messages to Kafka, several in one transaction: all of them are seen, or none.

    Whoever opens an identity fences whoever opened it before, and then knows that
    nothing of theirs is under way. What was committed must be found in the topics: so a
    mark that is sent in the same transaction makes any work happen once.

    What may block does so on a thread of its own.

    @par Cancellation
    `terminal`. A commit that was begun is waited for, at most
    @ref TransactionalProducerOptions::transaction_timeout.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    Must not outlive the execution context of its executor, nor be destroyed during an
    operation. Destroying the context waits for the thread.
*/
class TransactionalProducer {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    TransactionalProducer(
        net::any_io_executor executor,
        ProducerOptions producer,
        TransactionalProducerOptions options
    );
    ~TransactionalProducer();
    TransactionalProducer(const TransactionalProducer&) = delete;
    TransactionalProducer& operator=(const TransactionalProducer&) = delete;

    /** Fences every other owner, and waits until what they had under way is decided.

        @par Errors
        @li Errc::fenced Another owner opened meanwhile.
        @li Errc::timed_out It took longer than
            @ref TransactionalProducerOptions::open_timeout.
        @li Errc::bad_destination Records could be deleted from the mark topic. Nobody was
            fenced.
        @li Those of the connection.
    */
    net::awaitable<Result<void>> open();

    /** Sends the messages in one transaction. Not empty.

        After any failure, and after a commit of which a request was left without an
        answer (I8), `open` must come first.

        @par Errors
        @li Errc::invalid_request with no message that is @ref refused: `open` must come
            first.
        @li Errc::too_large, Errc::bad_destination, Errc::access_denied,
            Errc::invalid_request Nothing was sent; one of the messages is to blame. The
            detail names its topic, and @ref refused itself, unless the cluster says only
            that some topic is to blame.
        @li Errc::aborted, Errc::fenced Nothing was sent; of `fenced`, as far as the new
            owner does not find it.
        @li Those of which @ref is_in_doubt holds: all or nothing; the topics tell.
        @li Other retryable ones: nothing was sent.
    */
    net::awaitable<Result<void>> commit(std::vector<Message> messages);

    /// Which of the messages the last `commit` failed for, the first being 0; one of them
    /// if the cluster judged several of a topic together. None: it did not fail for one
    /// of them, or the cluster does not say for which.
    std::optional<std::size_t> refused() const noexcept;

    /// Whether the next `commit` needs no `open`.
    bool is_open() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
