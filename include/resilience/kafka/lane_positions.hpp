// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_KAFKA_LANE_POSITIONS_HPP
#define RESILIENCE_KAFKA_LANE_POSITIONS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/lane_position.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

namespace resilience::kafka {

/** Reads how far lanes are without taking them over: nobody is fenced, nothing is written
    or created. For whoever watches; an owner goes by @ref LaneProducer::take_over alone,
    as what is told here may be passed a moment later.

    What may block does so on a thread of its own.

    @par Cancellation
    `terminal`.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    Must not outlive the execution context of its executor, nor be destroyed during an
    operation. Destroying the context waits for the thread.
*/
class LanePositions {
public:
    /// @param options Of the lanes' producers; `lane` does not matter.
    /// @throws std::invalid_argument Names the option that is out of range.
    LanePositions(
        net::any_io_executor executor,
        ProducerOptions connection,
        LaneProducerOptions options
    );
    ~LanePositions();
    LanePositions(const LanePositions&) = delete;
    LanePositions& operator=(const LanePositions&) = delete;

    /** The last position of a lane that was committed before the call; none when there
        never was one, or when the topic is not there.

        @par Errors
        @li Errc::corrupt_data The last record is not a position, or was deleted.
        @li Errc::bad_destination The topic has no partition for the lane.
        @li Errc::timed_out It took longer than
            @ref LaneProducerOptions::take_over_timeout.
        @li Errc::invalid_request The lane is not 0 to 63.
        @li Those of the connection.
    */
    net::awaitable<Result<std::optional<LanePosition>>> last(int lane);

    /// The topic in which the positions are.
    const std::string& topic() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::kafka

#endif
