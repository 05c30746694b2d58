// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_LANE_SINK_FIXTURE_HPP
#define RESILIENCE_TESTS_CONTRACTS_LANE_SINK_FIXTURE_HPP

#include <resilience/lane_sink.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace contract {

namespace net = boost::asio;

/// A lane that has never committed anything, made anew for each use, and a look at what
/// its consumers see.
class LaneFixture {
public:
    virtual ~LaneFixture() = default;

    /// A further owner of the lane.
    virtual std::unique_ptr<resilience::LaneSink> make_owner() = 0;

    /// One whose second commit after each take-over ends with Errc::aborted.
    virtual std::unique_ptr<resilience::LaneSink> make_aborting_owner() = 0;

    /// The topic that the events name.
    virtual std::string topic() = 0;

    /// Changes an event into one that the destination will never take.
    virtual void make_undeliverable(resilience::WindowEvent& event) = 0;

    /// The ids of what was delivered, in order. Waits until there are `expected`, and as
    /// long as is sensible when there are fewer.
    virtual std::vector<std::string> arrived(std::size_t expected) = 0;

    /// Where the owners work; the contract runs it.
    virtual net::io_context& context() = 0;
};

using MakeLane = std::function<std::unique_ptr<LaneFixture>()>;

inline std::vector<std::string> ids_of(const std::vector<resilience::WindowEvent>& chunk
) {
    std::vector<std::string> ids;
    for (const auto& one : chunk) ids.push_back(one.event.id);
    return ids;
}

/// The contract's view of one lane: synchronous.
class Lane {
public:
    using Position = resilience::Result<std::optional<resilience::LanePosition>>;
    using Chunk = std::vector<resilience::WindowEvent>;

    explicit Lane(LaneFixture& fixture) : fixture_(fixture) {}

    /// The next events of one key.
    Chunk chunk(std::size_t count) {
        Chunk events;
        for (std::size_t i = 0; i < count; ++i) {
            ++written_;
            std::string digits = std::to_string(written_);
            resilience::WindowEvent row;
            row.event.id = "018f0000-0000-7000-8000-" +
                           std::string(12 - digits.size(), '0') + digits;
            row.event.aggregate_type = "user";
            row.event.aggregate_id = "7";
            row.event.event_type = "user.created";
            row.event.event_data = "{\"n\":" + digits + "}";
            row.event.topic = fixture_.topic();
            row.event.partition_key = "k";
            row.seq = written_;
            events.push_back(std::move(row));
        }
        return events;
    }

    /// The position after `events` more events.
    resilience::LanePosition after(
        const resilience::LanePosition& last, std::size_t events
    ) const {
        auto next = last;
        next.source = {.system_id = 7, .timeline = 1, .database = 5, .table = 16384};
        next.seen = "100:100:";
        next.window = "100:120:103,105";
        next.last_seq = last.last_seq + static_cast<std::int64_t>(events);
        next.batch_seq = last.batch_seq + 1;
        next.lane_seq = last.lane_seq + events;
        return next;
    }

    std::optional<resilience::LanePosition> take_over(resilience::LaneSink& owner) {
        auto pending = start(owner.take_over());
        auto position = finish(*pending);
        if (!position) FAIL("take_over: ", position.error().message());
        return *position;
    }

    resilience::Result<void> commit(
        resilience::LaneSink& owner,
        const Chunk& events,
        const resilience::LanePosition& next
    ) {
        auto pending = start(owner.commit(events, next));
        return finish(*pending);
    }

    bool commits(
        resilience::LaneSink& owner,
        const Chunk& events,
        const resilience::LanePosition& next
    ) {
        const auto done = commit(owner, events, next);
        if (!done) MESSAGE("commit: ", done.error().message());
        return done.has_value();
    }

    /// The same, cancelled as soon as it has begun.
    resilience::Result<void> cancel_commit(
        resilience::LaneSink& owner,
        const Chunk& events,
        const resilience::LanePosition& next
    ) {
        auto pending = start(owner.commit(events, next));
        net::post(fixture_.context(), [&signal = pending->signal] {
            signal.emit(net::cancellation_type::terminal);
        });
        return finish(*pending);
    }

    /// One owner commits while another takes over.
    std::pair<resilience::Result<void>, Position> race(
        resilience::LaneSink& losing,
        const Chunk& events,
        const resilience::LanePosition& next,
        resilience::LaneSink& taking
    ) {
        auto commit = start(losing.commit(events, next));
        auto take_over = start(taking.take_over());
        auto position = finish(*take_over);
        auto done = finish(*commit);
        return {std::move(done), std::move(position)};
    }

private:
    template <class R>
    struct Pending {
        net::cancellation_signal signal;
        std::optional<R> result;
        std::exception_ptr thrown;
    };

    template <class R>
    std::unique_ptr<Pending<R>> start(net::awaitable<R> work) {
        auto pending = std::make_unique<Pending<R>>();
        auto done = [p = pending.get()](std::exception_ptr thrown, R result) {
            p->thrown = thrown;
            if (!thrown) p->result.emplace(std::move(result));
        };
        net::co_spawn(
            fixture_.context(),
            std::move(work),
            net::bind_cancellation_slot(pending->signal.slot(), std::move(done))
        );
        return pending;
    }

    template <class R>
    R finish(Pending<R>& pending) {
        auto& io = fixture_.context();
        io.restart();
        while (!pending.result && !pending.thrown && io.run_one() > 0) {
        }
        if (pending.thrown) std::rethrow_exception(pending.thrown);
        REQUIRE(pending.result.has_value());
        return std::move(*pending.result);
    }

    LaneFixture& fixture_;
    std::int64_t written_ = 0;
};

}  // namespace contract

#endif
