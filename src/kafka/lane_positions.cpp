// SPDX-License-Identifier: MIT
#include <resilience/kafka/lane_positions.hpp>

#include "kafka/lane_configuration.hpp"
#include "kafka/position_reader.hpp"
#include "kafka/run_on_worker.hpp"

#include <boost/asio/query.hpp>

#include <utility>

namespace resilience::kafka {
namespace {

using Position = std::optional<LanePosition>;

struct Session {
    ProducerOptions connection;
    LaneProducerOptions options;

    Result<Position> last(int lane, const std::stop_token& stop) {
        auto of_lane = options;
        of_lane.lane = lane;
        const detail::Patience patience{Clock::now() + options.take_over_timeout, stop};
        detail::PositionReader reader{connection, of_lane};
        const auto exists = reader.exists(patience);
        if (!exists) return exists.error();
        if (!*exists) return Position{};
        return reader.last(patience);
    }
};

}  // namespace

struct LanePositions::Impl {
    net::any_io_executor executor;
    std::shared_ptr<Session> session;
    detail::Worker worker;
};

LanePositions::LanePositions(
    net::any_io_executor executor, ProducerOptions connection, LaneProducerOptions options
) {
    options.lane = 0;
    auto checked = detail::checked_lane_options(connection, std::move(options));
    (void)detail::producer_settings(connection);
    auto& context = net::query(executor, net::execution::context);
    impl_.reset(new Impl{
        std::move(executor),
        std::make_shared<Session>(Session{std::move(connection), std::move(checked)}),
        detail::Worker{context}});
}

LanePositions::~LanePositions() = default;

net::awaitable<Result<std::optional<LanePosition>>> LanePositions::last(int lane) {
    if (lane < 0 || lane > 63) {
        co_return fail(Errc::invalid_request, "lane: must be 0 to 63");
    }
    auto position = co_await detail::run_on_worker<Position>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [lane](Session& session, const std::stop_token& stop) {
            return session.last(lane, stop);
        }
    );
    co_return position;
}

const std::string& LanePositions::topic() const noexcept {
    return impl_->session->options.position_topic;
}

}  // namespace resilience::kafka
