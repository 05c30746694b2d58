// SPDX-License-Identifier: MIT
#include <resilience/kafka/consumer.hpp>

#include "kafka/consumer_session.hpp"
#include "kafka/run_on_worker.hpp"
#include "kafka/worker.hpp"

#include <boost/asio/query.hpp>

#include <algorithm>
#include <map>
#include <stop_token>
#include <utility>

namespace resilience::kafka {

using detail::ConsumerSession;

std::vector<NextOffset> offsets_after(std::span<const Record> records) {
    std::map<TopicPartition, std::int64_t> ends;
    for (const auto& record : records) {
        auto& end = ends[{record.topic, record.partition}];
        end = std::max(end, record.offset + 1);
    }
    std::vector<NextOffset> offsets;
    for (const auto& [partition, end] : ends) offsets.push_back({partition, end});
    return offsets;
}

struct Consumer::Impl {
    Impl(net::any_io_executor e, ConsumerOptions options)
        : executor(std::move(e)),
          session(std::make_shared<ConsumerSession>(std::move(options))),
          worker(net::query(executor, net::execution::context)) {}

    ~Impl() {
        session->silence();
        // To leave the group blocks.
        if (used) worker.destroy(std::move(session));
    }

    template <class T, class Job>
    net::awaitable<Result<T>> run(Job job) {
        used = true;
        return detail::run_on_worker<T>(executor, worker, session, std::move(job));
    }

    net::any_io_executor executor;
    std::shared_ptr<ConsumerSession> session;
    detail::Worker worker;
    bool used = false;
};

Consumer::Consumer(net::any_io_executor executor, ConsumerOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(options))) {}

Consumer::~Consumer() = default;

net::awaitable<Result<std::vector<Record>>> Consumer::poll(
    std::size_t max, std::chrono::milliseconds wait
) {
    return impl_->run<std::vector<Record>>(
        [max, wait](ConsumerSession& session, const std::stop_token& stop) {
            return session.poll(max, wait, stop);
        }
    );
}

net::awaitable<Result<void>> Consumer::commit(std::vector<NextOffset> offsets) {
    return impl_->run<void>([offsets = std::move(offsets)](
                                ConsumerSession& session, const std::stop_token& stop
                            ) { return session.commit(offsets, stop); });
}

void Consumer::rewind() noexcept { impl_->session->rewind(); }

net::awaitable<Result<void>> Consumer::close() {
    return impl_->run<void>([](ConsumerSession& session, const std::stop_token& stop) {
        return session.close(stop);
    });
}

ConsumerSnapshot Consumer::snapshot() const { return impl_->session->snapshot(); }

}  // namespace resilience::kafka
