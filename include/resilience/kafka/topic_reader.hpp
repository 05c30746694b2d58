// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_TOPIC_READER_HPP
#define RESILIENCE_KAFKA_TOPIC_READER_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/kafka/record.hpp>
#include <resilience/kafka/topic_reader_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace resilience::kafka {

/// How far a @ref TopicReader has come in one partition.
struct PartitionProgress {
    TopicPartition partition;
    /// The first record that is kept.
    std::int64_t low = 0;
    /// Where the reading began.
    std::int64_t first = 0;
    /// What comes next.
    std::int64_t reached = 0;
    /// Where the first transaction was open; @ref end without one.
    std::int64_t stable = 0;
    /// Where the reading ends: the end of the partition, open transactions included.
    std::int64_t end = 0;
};

/** Reads topics up to where they ended when the reading began, and then no further.

    The end is known by the offsets alone: a silence is no end. Records of one partition
    come in its order. Nothing is written: no offsets, no group, and no topic is created.

    @code
    kafka::TopicReader reader{executor, {.brokers = "localhost:9092"}, {.topics = {"t"}}};
    if (const auto opened = co_await reader.open(); !opened) co_return opened.error();
    while (true) {
        auto records = co_await reader.read();
        if (!records) co_return records.error();
        if (records->empty()) break;
        use(*records);
    }
    @endcode

    What may block does so on a thread of the reader's own.

    @par Errors of each operation
    @li Errc::timed_out Nothing came for @ref TopicReaderOptions::patience. With
        `read_committed` also: a transaction is open before the end; the detail names the
        partition, and @ref PartitionProgress::stable shows it. The operation may be
        called again.
    @li Errc::bad_destination A topic is not there; or records before the end were removed
        while they were read.
    @li Errc::access_denied The cluster refuses.
    @li Errc::unavailable No broker answers.
    @li Errc::invalid_request A setting is refused that can only be tried out, such as a
        file that cannot be read; the detail names the setting.
    @li Errc::internal The process is short of memory. The reader must be opened again.
    @li Errc::cancelled It was cancelled. It may be called again.

    @par Cancellation
    `terminal`.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time; `progress` not during
    one.

    @par Object lifetimes
    Must not outlive the execution context of its executor, nor be destroyed during an
    operation. Destroying the context waits for the thread.
*/
class TopicReader {
public:
    /// @param connection Only what concerns the connection counts, and the log.
    /// @throws std::invalid_argument Names the option that is out of range.
    TopicReader(
        net::any_io_executor executor,
        ProducerOptions connection,
        TopicReaderOptions options
    );
    ~TopicReader();
    TopicReader(const TopicReader&) = delete;
    TopicReader& operator=(const TopicReader&) = delete;

    /** Finds the partitions and where each ends. A second call begins anew.

        @par Errors
        @li Errc::timed_out Also: it took longer than
            @ref TopicReaderOptions::open_timeout, which the detail names.
    */
    net::awaitable<Result<void>> open();

    /** Reads the next records; at least one unless all are read.

        @par Errors
        @li Errc::invalid_request There was no successful @ref open.
    */
    net::awaitable<Result<std::vector<Record>>> read();

    /// All partitions that are read, by topic and number. Empty before @ref open.
    std::vector<PartitionProgress> progress() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
