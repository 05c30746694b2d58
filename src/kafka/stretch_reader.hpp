// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_STRETCH_READER_HPP
#define RESILIENCE_SRC_KAFKA_STRETCH_READER_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/topic_reader_options.hpp>

#include "kafka/handles.hpp"
#include "kafka/patience.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace resilience::kafka::detail {

/// Where a partition begins, and where it ends as the client sees it: with
/// `read_committed` before the first open transaction.
struct Watermarks {
    std::int64_t low = 0;
    std::int64_t high = 0;
};

/// Asks until a broker answers. Blocks. @par Errors As of @ref Patience, and what the
/// cluster refuses.
Result<Watermarks> watermarks(
    rd_kafka_t& client, const TopicPartition& where, const Patience& patience
);

/// A part of a partition: the offsets from `reached` on, up to and without `end`.
struct Stretch {
    TopicPartition where;
    std::int64_t reached = 0;
    std::int64_t end = 0;

    bool is_done() const noexcept { return reached >= end; }
};

/** Reads stretches side by side, each to its end: the client must tell where partitions
    end, as one made with `reader_settings` does.

    Where a transaction is open a client that reads committed records alone does not come
    further: what was committed behind it is not shown before.

    @par Thread safety
    None. Its calls block.

    @par Object lifetimes
    The client must outlive it. A client has one such reader of a partition at a time.
*/
class StretchReader {
public:
    explicit StretchReader(rd_kafka_t& client);
    ~StretchReader();
    StretchReader(const StretchReader&) = delete;
    StretchReader& operator=(const StretchReader&) = delete;

    /// Begins with one more stretch, at once done if it is empty.
    Result<void> add(Stretch stretch);

    /// What one look brought.
    struct Look {
        /// A record of a stretch; null: none came.
        MessageHandle record;
        /// Whether any stretch was gone on with, by a record or without.
        bool moved = false;
    };

    /** Waits for what comes next, at most `timeout` milliseconds.

        @par Errors
        What the cluster refuses; Errc::bad_destination when records of a stretch were
        removed before they were read.
    */
    Result<Look> look(int timeout);

    /// Stretches that are not done.
    std::size_t open() const noexcept { return open_; }

    const std::vector<Stretch>& stretches() const noexcept { return stretches_; }

private:
    Stretch* stretch_of(const rd_kafka_message_t& message);
    bool move(Stretch& stretch, std::int64_t to);

    rd_kafka_t& client_;
    QueueHandle queue_;
    std::map<std::string, TopicHandle, std::less<>> topics_;
    std::vector<Stretch> stretches_;
    std::map<TopicPartition, std::size_t> places_;
    std::size_t last_ = 0;
    std::size_t open_ = 0;
};

}  // namespace resilience::kafka::detail

#endif
