// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CHUNK_REPORTS_HPP
#define RESILIENCE_SRC_KAFKA_CHUNK_REPORTS_HPP

#include <resilience/lane_sink.hpp>

#include "kafka/client.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience::kafka::detail {

/// A message of a transaction that was not delivered.
struct FailedMessage {
    /// Where it stands in the chunk; the position comes after the events.
    std::size_t index = 0;
    Failure failure;
    /// Where it was to go; the broker judges what goes to one place together.
    std::string place;
    /// Whether it was judged by itself.
    bool alone = false;
};

/// What the failures of a chunk say of it.
struct ChunkVerdict {
    Failure failure;
    /// The message whose failure it is.
    std::size_t index = 0;
    std::vector<LaneRefusal> refusals;
};

/** Finds out who is to blame for the failure of a chunk. Pure.

    A fault of a message that the broker judged together with others is not blamed on any
    of them. A message that failed only because of another one, or of the abort, says
    nothing.

    @param failed Not empty.
    @param events How many messages are events: the one behind them is the position.
*/
ChunkVerdict judge(const std::vector<FailedMessage>& failed, std::size_t events);

/** Counts what became of the messages of one transaction (I2).

    @par Object lifetimes
    Must outlive the client that the messages were given to, or their last report.
*/
class ChunkReports {
public:
    explicit ChunkReports(std::size_t messages);
    ChunkReports(const ChunkReports&) = delete;
    ChunkReports& operator=(const ChunkReports&) = delete;

    /// What message `index` is produced with.
    ReportReceiver* mark(std::size_t index) { return &marks_[index]; }

    /// Notes a message that the client took, to be reported on.
    void accept() noexcept { ++accepted_; }

    /// Notes a message that was refused before it was sent.
    void refuse(std::size_t index, Failure failure);

    const std::vector<FailedMessage>& failed() const noexcept { return failed_; }

    /// Whether every message was accepted and then delivered, each once.
    bool is_complete() const noexcept {
        return failed_.empty() && accepted_ == marks_.size() &&
               delivered_ == marks_.size();
    }

private:
    struct Mark final : ReportReceiver {
        Mark(ChunkReports& c, std::size_t i) : chunk(c), index(i) {}
        void report(const rd_kafka_message_t& message) override {
            chunk.reported(*this, message);
        }
        ChunkReports& chunk;
        std::size_t index;
        bool reported = false;
    };

    void reported(Mark& mark, const rd_kafka_message_t& message);

    std::vector<Mark> marks_;
    std::size_t accepted_ = 0;
    std::size_t delivered_ = 0;
    std::vector<FailedMessage> failed_;
};

}  // namespace resilience::kafka::detail

#endif
