// SPDX-License-Identifier: MIT
#include <modules/relay/lane_beginnings.hpp>

#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/first_seen.hpp>
#include <resilience/postgres/pool.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <utility>

namespace resilience::modules::relay {
namespace {

// All rows of a lane are looked at, once in its life.
constexpr std::chrono::minutes longest_look{10};

Failure refusal(int lane, const std::string& what) {
    return fail(
        Errc::history_changed, "RELAY_FIRST: lane " + std::to_string(lane) + what
    );
}

std::vector<postgres::Parameter> lane_parameter(int lane) {
    return postgres::parameters(lane);
}

}  // namespace

LaneBeginnings::LaneBeginnings(
    net::any_io_executor executor,
    postgres::Pool& pool,
    postgres::ConnectionOptions connection,
    std::string policy
)
    : executor_(std::move(executor)),
      pool_(pool),
      connection_(std::move(connection)),
      policy_(std::move(policy)) {
    connection_.query_timeout = longest_look;
}

net::awaitable<Result<std::optional<std::string>>> LaneBeginnings::began_at(int lane
) const {
    auto connection = co_await pool_.async_acquire(net::use_awaitable);
    if (!connection) co_return connection.error();
    const auto rows = co_await (*connection)
                          ->async_execute(
                              "SELECT began_at::text FROM outbox_lanes WHERE lane = $1",
                              lane_parameter(lane),
                              net::use_awaitable
                          );
    if (!rows) co_return rows.error();
    if (rows->empty()) co_return std::optional<std::string>{};
    co_return std::optional<std::string>{std::string{(*rows)[0].text(0)}};
}

net::awaitable<Result<std::string>> LaneBeginnings::find(int lane) const {
    if (policy_ == "everything") co_return std::string{};
    const auto began = co_await began_at(lane);
    if (!began) co_return began.error();
    if (*began) {
        co_return refusal(
            lane,
            " has no position in Kafka, though it has had one since " + **began +
                ": see that RELAY_OUTBOX, RELAY_POSITION_TOPIC and KAFKA_BROKERS are "
                "what they were and restore the topic of the positions, or set it to "
                "everything and have every event that is still there delivered again"
        );
    }
    if (policy_ == "refuse") {
        co_return refusal(
            lane,
            " has no position, and none is to begin: set it to untouched if the lane is "
            "new"
        );
    }
    postgres::Connection connection{executor_, connection_};
    const auto opened = co_await connection.async_connect(net::use_awaitable);
    if (!opened) co_return opened.error();
    if (policy_ == "after_claims") {
        const auto first = co_await postgres::first_seen(connection, lane);
        if (!first) co_return first.error();
        co_return first->snapshot;
    }
    const auto rows = co_await connection.async_execute(
        "SELECT EXISTS (SELECT 1 FROM outbox_events WHERE lane = $1 AND status <> 'NEW')",
        lane_parameter(lane),
        net::use_awaitable
    );
    if (!rows) co_return rows.error();
    const auto touched = (*rows)[0].boolean(0);
    if (!touched) co_return touched.error();
    if (*touched) {
        co_return refusal(
            lane,
            " has no position, and not all of its events are NEW: set it to after_claims "
            "if relays with RELAY_MODE=claim delivered them, or to everything to have "
            "every event delivered, whatever it shows"
        );
    }
    co_return std::string{};
}

net::awaitable<Result<void>> LaneBeginnings::note(int lane) const {
    auto connection = co_await pool_.async_acquire(net::use_awaitable);
    if (!connection) co_return connection.error();
    const auto rows = co_await (*connection)
                          ->async_execute(
                              "INSERT INTO outbox_lanes (lane) VALUES ($1) "
                              "ON CONFLICT (lane) DO NOTHING",
                              lane_parameter(lane),
                              net::use_awaitable
                          );
    if (!rows) co_return rows.error();
    co_return Result<void>{};
}

NotedSink::NotedSink(
    const LaneBeginnings& beginnings, int lane, std::unique_ptr<LaneSink> sink
)
    : beginnings_(beginnings), lane_(lane), sink_(std::move(sink)) {}

net::awaitable<Result<std::optional<LanePosition>>> NotedSink::take_over() {
    auto found = co_await sink_->take_over();
    if (found && *found && !noted_) {
        const auto noted = co_await beginnings_.note(lane_);
        if (!noted) co_return noted.error();
        noted_ = true;
    }
    co_return found;
}

net::awaitable<Result<void>> NotedSink::commit(
    std::span<const WindowEvent> events, const LanePosition& next
) {
    const auto done = co_await sink_->commit(events, next);
    if (done && !noted_) {
        const auto noted = co_await beginnings_.note(lane_);
        noted_ = noted.has_value();
    }
    co_return done;
}

std::vector<LaneRefusal> NotedSink::refusals() const { return sink_->refusals(); }

TimePoint NotedSink::ready_at() const { return sink_->ready_at(); }

std::uint64_t NotedSink::put_offs() const { return sink_->put_offs(); }

}  // namespace resilience::modules::relay
