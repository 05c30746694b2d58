// SPDX-License-Identifier: MIT
#include <resilience/kafka/lane_producer.hpp>

#include <resilience/asio/initiate.hpp>

#include "kafka/lane_session.hpp"
#include "kafka/worker.hpp"

#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stop_token>
#include <utility>

namespace resilience::kafka {
namespace {

using detail::LaneSession;
using detail::Worker;

// Runs `job(session, stop token)` on the lane's thread.
template <class T, class Job>
struct RunOnWorker {
    net::any_io_executor executor;
    Worker* worker;
    std::shared_ptr<LaneSession> session;
    Job job;

    void operator()(Handler<T> handler) {
        auto target = net::get_associated_executor(handler, executor);
        auto work = net::make_work_guard(target);
        auto slot = net::get_associated_cancellation_slot(handler);
        std::stop_source stop;
        if (slot.is_connected()) {
            slot.assign([stop](net::cancellation_type type) mutable {
                const auto terminal = type & net::cancellation_type::terminal;
                if (terminal != net::cancellation_type::none) stop.request_stop();
            });
        }
        worker->post([executor = executor,
                      session = std::move(session),
                      job = std::move(job),
                      handler = std::move(handler),
                      work = std::move(work),
                      target,
                      slot,
                      stop]() mutable {
            auto result = job(*session, stop.get_token());
            // The session may end with its owner now, and not on the owner's thread.
            session.reset();
            auto finish = [handler = std::move(handler),
                           result = std::move(result),
                           work = std::move(work),
                           slot]() mutable {
                if (slot.is_connected()) slot.clear();
                std::move(handler)(std::move(result));
            };
            net::post(executor, net::bind_executor(target, std::move(finish)));
        });
    }
};

template <class T, class Job>
net::awaitable<Result<T>> run_on(
    net::any_io_executor executor,
    Worker& worker,
    std::shared_ptr<LaneSession> session,
    Job job
) {
    RunOnWorker<T, Job> initiate{
        std::move(executor), &worker, std::move(session), std::move(job)};
    auto result =
        co_await net::async_initiate<const net::use_awaitable_t<>&, void(Result<T>)>(
            std::move(initiate), net::use_awaitable
        );
    co_return result;
}

}  // namespace

struct LaneProducer::Impl {
    Impl(net::any_io_executor e, ProducerOptions producer, LaneProducerOptions options)
        : executor(std::move(e)),
          session(std::make_shared<LaneSession>(std::move(producer), std::move(options))),
          worker(net::query(executor, net::execution::context)) {}

    ~Impl() {
        // What is left to be destroyed may block.
        if (used) worker.post([last = std::move(session)]() mutable { last.reset(); });
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
    return run_on<std::optional<LanePosition>>(
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
    return run_on<void>(
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

LaneProducerSnapshot LaneProducer::snapshot() const { return impl_->session->snapshot(); }

}  // namespace resilience::kafka
