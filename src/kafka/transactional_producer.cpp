// SPDX-License-Identifier: MIT
#include <resilience/kafka/transactional_producer.hpp>

#include "kafka/run_on_worker.hpp"
#include "kafka/transaction_session.hpp"

#include <boost/asio/query.hpp>

#include <utility>

namespace resilience::kafka {

using detail::TransactionSession;

struct TransactionalProducer::Impl {
    Impl(
        net::any_io_executor e,
        ProducerOptions producer,
        TransactionalProducerOptions options
    )
        : executor(std::move(e)),
          session(std::make_shared<TransactionSession>(
              std::move(producer), std::move(options)
          )),
          worker(net::query(executor, net::execution::context)) {}

    ~Impl() {
        // What is left to be destroyed may block.
        if (used) worker.destroy(std::move(session));
    }

    net::any_io_executor executor;
    std::shared_ptr<TransactionSession> session;
    detail::Worker worker;
    bool used = false;
};

TransactionalProducer::TransactionalProducer(
    net::any_io_executor executor,
    ProducerOptions producer,
    TransactionalProducerOptions options
)
    : impl_(std::make_unique<Impl>(
          std::move(executor), std::move(producer), std::move(options)
      )) {}

TransactionalProducer::~TransactionalProducer() = default;

net::awaitable<Result<void>> TransactionalProducer::open() {
    impl_->used = true;
    return detail::run_on_worker<void>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [](TransactionSession& session, const std::stop_token& stop) {
            return session.open(stop);
        }
    );
}

net::awaitable<Result<void>> TransactionalProducer::commit(std::vector<Message> messages
) {
    impl_->used = true;
    return detail::run_on_worker<void>(
        impl_->executor,
        impl_->worker,
        impl_->session,
        [messages = std::move(messages)](
            TransactionSession& session, const std::stop_token& stop
        ) { return session.commit(messages, stop); }
    );
}

std::optional<std::size_t> TransactionalProducer::refused() const noexcept {
    return impl_->session->refused();
}

bool TransactionalProducer::is_open() const noexcept { return impl_->session->is_open(); }

}  // namespace resilience::kafka
