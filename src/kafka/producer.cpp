// SPDX-License-Identifier: MIT
#include <resilience/kafka/producer.hpp>

#include "kafka/producer_core.hpp"

#include <utility>

namespace resilience::kafka {

struct Producer::Impl final : detail::ProducerCore {
    using ProducerCore::ProducerCore;
};

Producer::Producer(executor_type executor, ProducerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}

Producer::~Producer() {
    net::dispatch(impl_->strand(), [impl = impl_] { impl->close(); });
}

Producer::executor_type Producer::get_executor() const { return impl_->executor(); }

bool Producer::is_fatal() const noexcept { return impl_->is_fatal(); }

void Producer::InitiateProduce::operator()(
    Handler<DeliveryReport> handler, Message message
) const {
    std::vector<Message> messages;
    messages.push_back(std::move(message));
    auto executor = resilience::detail::executor_of(handler, impl->executor());
    BatchHandler first = net::bind_executor(
        executor,
        [handler = std::move(handler)](Reports reports) mutable {
            std::move(handler)(std::move(reports.front()));
        }
    );
    impl->start(std::move(messages), std::move(first));
}

void Producer::InitiateBatch::operator()(
    BatchHandler handler, std::vector<Message> messages
) const {
    impl->start(std::move(messages), std::move(handler));
}

void Producer::InitiateFlush::operator()(
    Handler<void> handler, std::chrono::milliseconds timeout
) const {
    impl->start_flush(timeout, std::move(handler));
}

void Producer::InitiateMetadata::operator()(
    Handler<TopicMetadata> handler, std::string topic
) const {
    impl->start_metadata(std::move(topic), std::move(handler));
}

}  // namespace resilience::kafka
