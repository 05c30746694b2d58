// SPDX-License-Identifier: MIT
#include "kafka/topic_table.hpp"

#include <resilience/retry_policy.hpp>

#include "kafka/configuration.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/query.hpp>

#include <exception>
#include <utility>

namespace resilience::kafka::detail {
namespace {

// A topic that the first request makes, or that somebody has just made, takes a moment to
// be known. Under a second in all: an unknown topic must not hold up the others.
constexpr RetryPolicy topic_appears{
    {.attempts = 5, .base = std::chrono::milliseconds{50}, .jitter = Jitter::none}};

}  // namespace

TopicTable::TopicTable(
    Strand strand, std::shared_ptr<Client> client, std::chrono::milliseconds timeout
)
    : strand_(std::move(strand)),
      client_(std::move(client)),
      timeout_(timeout),
      worker_(net::query(strand_, net::execution::context)) {}

rd_kafka_topic_t* TopicTable::find(const std::string& name) const {
    const auto found = topics_.find(name);
    if (found == topics_.end() || !found->second.metadata) return nullptr;
    return found->second.handle.get();
}

std::optional<TopicMetadata> TopicTable::known(
    const std::string& name, std::chrono::minutes age
) const {
    const auto found = topics_.find(name);
    if (found == topics_.end() || Clock::now() - found->second.fetched_at > age) {
        return std::nullopt;
    }
    return found->second.metadata;
}

void TopicTable::fetch(const std::string& name, Handler<TopicMetadata> waiter) {
    if (!client_) return std::move(waiter)(fail(Errc::closed));
    if (!is_topic_name(name)) {
        return std::move(waiter
        )(fail(Errc::bad_destination, "not the name of a topic: '" + name + '\''));
    }
    auto& topic = topics_[name];
    topic.waiters.push_back(std::move(waiter));
    if (topic.waiters.size() > 1) return;
    if (!topic.handle) {
        auto made = client_->topic(name);
        if (!made) return answered(name, {made.error(), false});
        topic.handle = std::move(*made);
    }
    topic.attempts = 0;
    ask(name, topic);
}

void TopicTable::ask(const std::string& name, const Topic& topic) {
    try {
        worker_.post([weak = weak_from_this(),
                      strand = strand_,
                      timeout = timeout_,
                      client = client_,
                      handle = topic.handle,
                      name]() mutable {
            auto answer = client->fetch_metadata(*handle, timeout);
            // The table may go at once, and its thread ends the client after this job.
            handle.reset();
            client.reset();
            net::post(strand, [weak = std::move(weak), name, answer = std::move(answer)] {
                if (const auto self = weak.lock()) self->answered(name, answer);
            });
        });
    } catch (const std::exception& error) {
        // Nobody else would answer those who wait.
        answered(name, {fail(Errc::internal, error.what()), false});
    }
}

void TopicTable::answered(const std::string& name, MetadataAnswer answer) {
    const auto found = topics_.find(name);
    if (found == topics_.end()) return;
    auto& topic = found->second;
    if (answer.pending) {
        const auto delay = topic_appears.next(++topic.attempts, 0);
        if (delay) return ask_again_later(name, *delay);
    }
    auto waiters = std::exchange(topic.waiters, {});
    if (answer.result) {
        topic.metadata = *answer.result;
        topic.fetched_at = Clock::now();
    } else if (!topic.metadata) {
        // Names come from events: those that lead nowhere must not pile up.
        topics_.erase(found);
    }
    for (auto& waiter : waiters) std::move(waiter)(answer.result);
}

void TopicTable::ask_again_later(
    const std::string& name, std::chrono::nanoseconds delay
) {
    auto timer = std::make_unique<net::steady_timer>(strand_, delay);
    auto& waiting = *timer;
    waiting.async_wait([weak = weak_from_this(), timer = std::move(timer), name](auto) {
        const auto self = weak.lock();
        if (!self) return;
        const auto found = self->topics_.find(name);
        if (found != self->topics_.end() && self->client_) self->ask(name, found->second);
    });
}

void TopicTable::close() {
    if (!client_) return;
    auto topics = std::exchange(topics_, {});
    client_->signal_to(-1);
    std::vector<std::shared_ptr<rd_kafka_topic_t>> handles;
    for (auto& [name, topic] : topics) handles.push_back(std::move(topic.handle));
    // In this order: handles go before their client.
    worker_.destroy(std::make_pair(std::move(client_), std::move(handles)));
    client_.reset();
    for (auto& [name, topic] : topics) {
        for (auto& waiter : topic.waiters) std::move(waiter)(fail(Errc::closed));
    }
}

}  // namespace resilience::kafka::detail
