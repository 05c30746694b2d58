// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_CONSUMER_HPP
#define RESILIENCE_KAFKA_CONSUMER_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/consumer_options.hpp>
#include <resilience/kafka/record.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace resilience::kafka {

/// Where a group goes on in a partition.
struct NextOffset {
    TopicPartition partition;
    /// The offset of the first record that is not done.
    std::int64_t next = 0;

    friend bool operator==(const NextOffset&, const NextOffset&) = default;
};

/// What to commit when all of `records` are done: one offset for each of their
/// partitions, behind the last record of it. Pure.
std::vector<NextOffset> offsets_after(std::span<const Record> records);

/// What a @ref Consumer has done; counters ascend for ever.
struct ConsumerSnapshot {
    /// Records that were handed out.
    std::uint64_t records = 0;
    /// Records that were fetched and dropped, as their partition went before they were
    /// handed out.
    std::uint64_t dropped = 0;
    /// Commits that succeeded, and those that failed.
    std::uint64_t commits = 0;
    std::uint64_t failed_commits = 0;
    /// Times that partitions came, went, or were lost.
    std::uint64_t rebalances = 0;
    /// Of these, times that they were lost.
    std::uint64_t losses = 0;
    /// Partitions that are its own now.
    std::size_t partitions = 0;
};

/** Reads topics as a member of a consumer group, committed records alone
    (`isolation.level=read_committed`, always).

    Records are handed out by @ref poll, and offsets are committed by @ref commit alone,
    after the records are done. So each record is handed out **at least once**: again
    after a crash, a lost partition or a failed commit. With an @ref Inbox in the
    transaction of its effect it has its effect **exactly once**; @ref consume_once does
    both.

    Records of one partition come in its order. Partitions come and go inside of `poll`
    and @ref close alone; records of a partition that goes are dropped if they were not
    handed out, and a commit of those that were is refused. A partition is lost
    nevertheless when the group hears nothing of the member, or when it does not poll, for
    too long (@ref ConsumerOptions): until then nobody else has it.

    @code
    kafka::Consumer consumer{
        executor, {.brokers = "localhost:9092", .group = "mail", .topics = {"orders"}}};
    while (true) {
        const auto records = co_await consumer.poll(500, 1s);
        if (!records) co_return records.error();
        for (const auto& record : *records) handle(record);
        auto offsets = kafka::offsets_after(*records);
        const auto done = co_await consumer.commit(std::move(offsets));
        if (!done) log(done.error());
    }
    @endcode

    What may block does so on a thread of the consumer's own. Memory is bounded by the
    prefetch options and by the batch.

    @par Cancellation
    `terminal`. What was not handed out yet comes with the next `poll`; who was handed
    records and is cancelled before they are done calls `rewind`, or destroys the
   consumer.

    @par Thread safety
    `rewind` and `snapshot`: safe. Otherwise distinct objects: safe; shared objects: one
    operation at a time.

    @par Object lifetimes
    Must not outlive the execution context of its executor, nor be destroyed during an
    operation. Destroying it does not block: it leaves the group on its thread, which the
    context waits for when it is destroyed.
*/
class Consumer {
public:
    /// Makes a consumer that joins its group with the first @ref poll.
    /// @throws std::invalid_argument Names the option that is out of range.
    Consumer(net::any_io_executor executor, ConsumerOptions options);
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    /** Waits for records and hands out those that are there.

        @param max Most records. 1 to 100,000.
        @param wait Longest wait for the first one. 0 to 1 h; must leave time for the
            records within @ref ConsumerOptions::max_poll_interval.
        @return Empty: none came in time.

        @par Errors
        After each of them it may be called again.
        @li Errc::unavailable No broker answers, and none came in time.
        @li Errc::bad_destination A topic is not there. The others go on.
        @li Errc::access_denied The cluster refuses the credentials, a topic or the group.
        @li Errc::history_changed Nothing was committed for a partition, or the records
            behind that are gone, and @ref ConsumerOptions::reset is `fail`. The partition
            stands still.
        @li Errc::fenced Another member has this one's `group.instance.id`. For ever.
        @li Errc::invalid_request `max` or `wait` is out of range, or the group refuses
            the member.
        @li Errc::closed After @ref close.
        @li Errc::cancelled Nothing was handed out.
    */
    net::awaitable<Result<std::vector<Record>>> poll(
        std::size_t max, std::chrono::milliseconds wait
    );

    /** Notes where the group goes on, and waits for the broker's answer.

        What is not behind what is committed already is done without a request.

        @param offsets At most one for each partition.

        @par Errors
        @li Errc::fenced A partition is not this consumer's any more, or not since that
            record was handed out. The other partitions are committed. Another member
            hands the records out again.
        @li Errc::timed_out_in_doubt, Errc::cancelled_in_doubt No answer came; it may have
            been committed. A later commit says it again.
        @li Errc::access_denied The cluster refuses the group.
        @li Errc::invalid_request An offset is negative, or a partition comes twice.
        @li Errc::closed After @ref close.
    */
    net::awaitable<Result<void>> commit(std::vector<NextOffset> offsets);

    /** Lets the next @ref poll begin again behind what was committed: what was handed
        out since comes again. Never waits.

        Without it `poll` goes on with what follows, and a commit of that speaks for what
        was skipped, too.
    */
    void rewind() noexcept;

    /** Leaves the group, so that its other members go on at once. What was not committed
        is handed out to them again. A second call does nothing.

        @par Errors
        @li Errc::timed_out The group did not answer within
            @ref ConsumerOptions::close_timeout; it finds out by itself. The consumer is
            closed all the same.
    */
    net::awaitable<Result<void>> close();

    ConsumerSnapshot snapshot() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
