// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_DELIVERY_PLAN_HPP
#define RESILIENCE_SRC_KAFKA_DELIVERY_PLAN_HPP

#include <resilience/asio/result.hpp>
#include <resilience/kafka/message.hpp>
#include <resilience/relay.hpp>

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace resilience::kafka::detail {

/** Decides which events of a batch are sent next, and what each one's result is. Pure.

    Everything is sent at once. A broker judges what the client packed together, so a
    refusal may be due to a neighbour: up to the last event that was refused in company,
    those that are left are then sent one at a time. Events that failed only because of
    another one are sent again. An event behind a failed one of its key is never sent.
*/
class DeliveryPlan {
public:
    /// REQUIRES: the events outlive the plan.
    explicit DeliveryPlan(std::span<const ClaimedEvent> events);

    /// The events to send now, ascending; empty when all is decided.
    std::vector<std::size_t> next();

    /** Takes the reports of the events that @ref next named.

        @return Whether the cluster took or judged at least one event, and so is alive.
    */
    bool report(
        std::span<const std::size_t> sent, std::span<const Result<DeliveryReport>> reports
    );

    /// Decides the event without sending it.
    void refuse(std::size_t index, Failure failure);

    /// Ends the plan: what is undecided fails with `failure`.
    void stop(const Failure& failure);

    /// REQUIRES: all is decided.
    std::vector<Result<void>> take_results();

private:
    bool is_blocked(std::size_t index) const;
    void fail_event(std::size_t index, Failure failure);

    std::span<const ClaimedEvent> events_;
    std::vector<std::optional<Result<void>>> results_;
    std::set<std::string_view> failed_keys_;
    // Undecided events before this one are sent one at a time.
    std::size_t single_until_ = 0;
    // Rounds in a row that decided nothing.
    int idle_rounds_ = 0;
};

}  // namespace resilience::kafka::detail

#endif
