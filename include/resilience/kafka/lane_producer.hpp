// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_LANE_PRODUCER_HPP
#define RESILIENCE_KAFKA_LANE_PRODUCER_HPP

#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/lane_sink.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace resilience::kafka {

/// What a @ref LaneProducer has done; counters ascend for ever.
struct LaneProducerSnapshot {
    /// Take-overs that succeeded.
    std::uint64_t take_overs = 0;
    /// Transactions that were committed, and the events in them.
    std::uint64_t commits = 0;
    std::uint64_t events = 0;
    /// Chunks of which nothing was delivered.
    std::uint64_t aborts = 0;
    /// Chunks of which nobody knows until the next take-over.
    std::uint64_t doubts = 0;
    /// Times that another owner was found.
    std::uint64_t fences = 0;
    /// Producers that the epoch guard replaced because of an unanswered request.
    std::uint64_t suspicions = 0;
    /// Transactions that were begun too early after the one before them: the cluster put
    /// them off for some 20 ms.
    std::uint64_t put_offs = 0;
    /// What @ref LaneProducer::ready_at adds to the end of the last commit; learned, at
    /// most @ref LaneProducerOptions::longest_rest.
    std::chrono::nanoseconds rest{0};
    /// How long the last of them took that succeeded.
    std::chrono::nanoseconds last_take_over{0};
    std::chrono::nanoseconds last_commit{0};
    /// Whether the next commit needs no take-over.
    bool ready = false;
};

/** Delivers the events of one lane to Kafka, each exactly once: the transactional
   producer of the lane, whose position lies in a compacted topic and is committed in the
   same transaction as the events.

    `transactional.id` is `resilience.<outbox>.<lane>`, the key of a position is
    `<outbox>/<lane>`, its partition the lane's number. Consumers must read with
    `isolation.level=read_committed`.

    Messages are those of @ref KafkaSink, followed by the headers `lane` and `lane_seq`:
    decimal numbers, the latter without gaps, the last event's being
    @ref LanePosition::lane_seq. An event's own headers of these names are left out.

    A producer is used until something fails: after any failure, and after a commit that
    the @ref EpochGuard suspects, it is destroyed. After the latter, which is a success,
    the next `commit` ends with Errc::aborted, as nothing of it was sent; the position
    that `take_over` then reads is the one committed before.

    What may block does so on a thread of the lane's own.

    @par Errors of take_over
    Besides those of @ref LaneSink:
    @li Errc::bad_destination The position topic is missing and is not to be created, has
        fewer partitions than lanes, or is not compacted.
    @li Errc::corrupt_data The lane's last record cannot be read, or was deleted (I11).
    @li Errc::timed_out It took longer than @ref LaneProducerOptions::take_over_timeout.

    @par Errors of commit
    Besides those of @ref LaneSink:
    @li Errc::invalid_request without a refusal: `next.lane_seq` is not the last
        position's plus the number of events, or there was no take-over.

    @par Cancellation
    `terminal`. Ends waits for messages and for positions. A commit that was begun is
    waited for, at most @ref LaneProducerOptions::transaction_timeout.

    @par Thread safety
    `snapshot`: safe. Otherwise distinct objects: safe; shared objects: one operation at a
    time.

    @par Object lifetimes
    Must not outlive the execution context of its executor, nor be destroyed during an
    operation. Destroying the context waits for the thread; a producer that is destroyed
    takes a moment to end, at most @ref LaneProducerOptions::abort_timeout more while
    Kafka is down.
*/
class LaneProducer final : public LaneSink {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    LaneProducer(
        net::any_io_executor executor,
        ProducerOptions producer,
        LaneProducerOptions options
    );
    ~LaneProducer() override;
    LaneProducer(const LaneProducer&) = delete;
    LaneProducer& operator=(const LaneProducer&) = delete;

    net::awaitable<Result<std::optional<LanePosition>>> take_over() override;

    net::awaitable<Result<void>> commit(
        std::span<const WindowEvent> events, const LanePosition& next
    ) override;

    std::vector<LaneRefusal> refusals() const override;
    /// The end of the last commit and a rest: the cluster answers a commit before it has
    /// ended the transaction in all of its partitions, and puts off for some 20 ms one
    /// that is begun meanwhile. The rest is learned from the transactions, so that one in
    /// some twenty is still put off. A commit before it is no error.
    TimePoint ready_at() const override;
    /// As @ref LaneProducerSnapshot::put_offs.
    std::uint64_t put_offs() const override;

    LaneProducerSnapshot snapshot() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
