// SPDX-License-Identifier: MIT
#include <resilience/kafka/topic_reader.hpp>

#include "kafka/run_on_worker.hpp"
#include "kafka/topic_session.hpp"

#include <boost/asio/query.hpp>

#include <utility>

namespace resilience::kafka {

struct TopicReader::Impl {
    Impl(net::any_io_executor e, ProducerOptions connection, TopicReaderOptions options)
        : executor(std::move(e)),
          session(std::make_shared<detail::TopicSession>(
              std::move(connection), std::move(options)
          )),
          worker(net::query(executor, net::execution::context)) {}

    ~Impl() {
        // What is left to be destroyed may block.
        if (used) worker.destroy(std::move(session));
    }

    net::any_io_executor executor;
    std::shared_ptr<detail::TopicSession> session;
    detail::Worker worker;
    bool used = false;
};

TopicReader::TopicReader(
    net::any_io_executor executor, ProducerOptions connection, TopicReaderOptions options
)
    : impl_(std::make_unique<Impl>(
          std::move(executor), std::move(connection), std::move(options)
      )) {}

TopicReader::~TopicReader() = default;

net::awaitable<Result<void>> TopicReader::open() {
    impl_->used = true;
    return detail::run_on_worker<void>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [](detail::TopicSession& session, const std::stop_token& stop) {
            return session.open(stop);
        }
    );
}

net::awaitable<Result<std::vector<Record>>> TopicReader::read() {
    impl_->used = true;
    return detail::run_on_worker<std::vector<Record>>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [](detail::TopicSession& session, const std::stop_token& stop) {
            return session.read(stop);
        }
    );
}

std::vector<PartitionProgress> TopicReader::progress() const {
    return impl_->session->progress();
}

}  // namespace resilience::kafka
