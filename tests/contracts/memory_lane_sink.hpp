// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_MEMORY_LANE_SINK_HPP
#define RESILIENCE_TESTS_CONTRACTS_MEMORY_LANE_SINK_HPP

#include <resilience/lane_sink.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace contract {

namespace net = boost::asio;

/// What the owners of one lane have committed, in this process.
struct MemoryLane {
    std::vector<resilience::Event> events;
    std::optional<resilience::LanePosition> position;
    /// Counts the take-overs; who has the last number is the owner.
    std::uint64_t epoch = 0;
    /// Longest content that is taken.
    std::size_t longest = 1'000'000;
};

/** One owner of a @ref MemoryLane, for tests of what loops over a sink.

    Every operation gives way to others once before it decides and once after.
*/
class MemoryLaneSink final : public resilience::LaneSink {
public:
    /// @param commits How many commits succeed after a take-over; the next is aborted.
    explicit MemoryLaneSink(MemoryLane& lane, std::optional<int> commits = std::nullopt)
        : lane_(lane), commits_(commits) {}

    net::awaitable<resilience::Result<std::optional<resilience::LanePosition>>> take_over(
    ) override {
        using resilience::Errc;
        refusals_.clear();
        ready_ = false;
        epoch_ = ++lane_.epoch;
        left_ = commits_;
        const bool cancelled = co_await give_way();
        if (cancelled) co_return resilience::fail(Errc::cancelled);
        if (epoch_ != lane_.epoch) co_return resilience::fail(Errc::fenced);
        ready_ = true;
        co_return lane_.position;
    }

    net::awaitable<resilience::Result<void>> commit(
        std::span<const resilience::WindowEvent> events,
        const resilience::LanePosition& next
    ) override {
        using resilience::Errc;
        refusals_.clear();
        if (!std::exchange(ready_, false)) {
            co_return resilience::fail(
                Errc::invalid_request, "the lane must be taken over first"
            );
        }
        const bool before = co_await give_way();
        if (before) co_return resilience::fail(Errc::cancelled);
        if (epoch_ != lane_.epoch) co_return resilience::fail(Errc::fenced);
        if (left_ && (*left_)-- == 0) co_return resilience::fail(Errc::aborted);
        const auto refused = refuse(events, next);
        if (refused) co_return *refused;
        for (const auto& one : events) lane_.events.push_back(one.event);
        lane_.position = next;
        const bool after = co_await give_way();
        if (after) co_return resilience::fail(Errc::cancelled_in_doubt);
        ready_ = true;
        co_return resilience::Result<void>{};
    }

    std::vector<resilience::LaneRefusal> refusals() const override { return refusals_; }

private:
    // Tells whether the operation was cancelled.
    static net::awaitable<bool> give_way() {
        co_await net::this_coro::throw_if_cancelled(false);
        const auto executor = co_await net::this_coro::executor;
        co_await net::post(executor, net::use_awaitable);
        const auto state = co_await net::this_coro::cancellation_state;
        co_return state.cancelled() != net::cancellation_type::none;
    }

    std::optional<resilience::Failure> refuse(
        std::span<const resilience::WindowEvent> events,
        const resilience::LanePosition& next
    ) {
        using resilience::Errc;
        for (std::size_t i = 0; i < events.size(); ++i) {
            const auto& one = events[i];
            if (!one.defect.empty()) {
                refusals_.push_back(
                    {i, resilience::fail(Errc::invalid_request, one.defect)}
                );
            } else if (one.event.event_data.size() > lane_.longest) {
                refusals_.push_back({i, resilience::fail(Errc::too_large)});
            }
        }
        if (!refusals_.empty()) {
            auto failure = refusals_.front().failure;
            failure.detail = "event " + events[refusals_.front().event].event.id + ' ' +
                             failure.detail;
            return failure;
        }
        const auto last = lane_.position ? lane_.position->lane_seq : 0;
        if (next.lane_seq == last + events.size()) return std::nullopt;
        return resilience::fail(Errc::invalid_request, "lane_seq does not follow");
    }

    MemoryLane& lane_;
    std::optional<int> commits_;
    std::optional<int> left_;
    std::uint64_t epoch_ = 0;
    bool ready_ = false;
    std::vector<resilience::LaneRefusal> refusals_;
};

}  // namespace contract

#endif
