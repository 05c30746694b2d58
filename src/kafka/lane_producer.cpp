// SPDX-License-Identifier: MIT
#include <resilience/kafka/lane_producer.hpp>

#include "kafka/lane_session.hpp"
#include "kafka/run_on_worker.hpp"
#include "kafka/worker.hpp"

#include <boost/asio/query.hpp>

#include <stop_token>
#include <utility>

namespace resilience::kafka {
namespace {

using detail::LaneSession;
using detail::Worker;

}  // namespace

struct LaneProducer::Impl {
    Impl(net::any_io_executor e, ProducerOptions producer, LaneProducerOptions options)
        : executor(std::move(e)),
          session(std::make_shared<LaneSession>(std::move(producer), std::move(options))),
          worker(net::query(executor, net::execution::context)) {}

    ~Impl() {
        // What is left to be destroyed may block.
        if (used) worker.destroy(std::move(session));
    }

    net::any_io_executor executor;
    std::shared_ptr<LaneSession> session;
    Worker worker;
    bool used = false;
};

LaneProducer::LaneProducer(
    net::any_io_executor executor, ProducerOptions producer, LaneProducerOptions options
)
    : impl_(std::make_unique<Impl>(
          std::move(executor), std::move(producer), std::move(options)
      )) {}

LaneProducer::~LaneProducer() = default;

net::awaitable<Result<std::optional<LanePosition>>> LaneProducer::take_over() {
    impl_->used = true;
    return detail::run_on_worker<std::optional<LanePosition>>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [](LaneSession& session, const std::stop_token& stop) {
            return session.take_over(stop);
        }
    );
}

net::awaitable<Result<void>> LaneProducer::commit(
    std::span<const WindowEvent> events, const LanePosition& next
) {
    impl_->used = true;
    return detail::run_on_worker<void>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [events, next](LaneSession& session, const std::stop_token& stop) {
            return session.commit(events, next, stop);
        }
    );
}

std::vector<LaneRefusal> LaneProducer::refusals() const {
    return impl_->session->refusals();
}

TimePoint LaneProducer::ready_at() const { return impl_->session->ready_at(); }

std::uint64_t LaneProducer::put_offs() const { return snapshot().put_offs; }

LaneProducerSnapshot LaneProducer::snapshot() const { return impl_->session->snapshot(); }

}  // namespace resilience::kafka
