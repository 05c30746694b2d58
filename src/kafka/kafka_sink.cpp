// SPDX-License-Identifier: MIT
#include <resilience/kafka/kafka_sink.hpp>

#include <resilience/kafka/producer.hpp>

#include "kafka/configuration.hpp"
#include "kafka/delivery_plan.hpp"
#include "kafka/event_message.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::kafka {
namespace {

using detail::DeliveryPlan;

KafkaSinkOptions checked(KafkaSinkOptions options) {
    if (options.source.empty()) throw std::invalid_argument("source: must not be empty");
    return options;
}

}  // namespace

struct KafkaSink::Impl {
    Impl(net::any_io_executor ex, ProducerOptions p, KafkaSinkOptions o)
        : executor(std::move(ex)),
          producer_options(std::move(p)),
          options(checked(std::move(o))),
          recreate(options.recreate),
          random(options.seed != 0 ? options.seed : std::random_device{}()),
          producer(std::make_unique<Producer>(executor, producer_options)) {}

    // A producer that works, after a wait if the last ones broke in a row.
    net::awaitable<Result<void>> ready() {
        if (producer && !producer->is_fatal()) co_return Result<void>{};
        producer.reset();
        if (breaks > 1) {
            net::steady_timer timer(executor, recreate.delay(breaks - 1, random()));
            boost::system::error_code ignored;
            co_await timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
        }
        try {
            producer = std::make_unique<Producer>(executor, producer_options);
        } catch (const std::exception& error) {
            ++breaks;
            co_return fail(Errc::unavailable, error.what());
        }
        co_return Result<void>{};
    }

    using Topics = std::map<std::string, Result<TopicMetadata>>;

    // Empty: the producer hashes the key. Each topic is asked for once.
    net::awaitable<Result<std::optional<std::int32_t>>> partition_of(
        const Event& event, Topics& topics
    ) {
        if (!options.partitioner) co_return std::optional<std::int32_t>{};
        auto found = topics.find(event.topic);
        if (found == topics.end()) {
            auto metadata = co_await producer->async_metadata(event.topic);
            found = topics.emplace(event.topic, std::move(metadata)).first;
        }
        const auto& topic = found->second;
        if (!topic) co_return topic.error();
        std::string complaint;
        try {
            co_return options.partitioner(event, topic->partitions);
        } catch (const std::exception& error) {
            complaint = error.what();
        }
        co_return fail(
            Errc::invalid_request, "the partition strategy threw: " + complaint
        );
    }

    net::awaitable<void> send(DeliveryPlan& plan, std::span<const ClaimedEvent> events) {
        Topics topics;
        std::set<std::string_view> refused_keys;
        std::vector<std::size_t> sent;
        std::vector<Message> messages;
        for (const std::size_t i : plan.next()) {
            const Event& event = events[i].event;
            if (refused_keys.contains(ordering_key(event))) continue;
            auto partition = co_await partition_of(event, topics);
            if (partition) {
                sent.push_back(i);
                messages.push_back(
                    detail::event_message(event, options.source, *partition)
                );
            } else if (is_retryable(partition.error().code)) {
                plan.stop(partition.error());
                co_return;
            } else {
                plan.refuse(i, partition.error());
                refused_keys.insert(ordering_key(event));
            }
        }
        if (sent.empty()) co_return;
        const auto reports = co_await producer->async_produce_batch(std::move(messages));
        const bool alive = plan.report(sent, reports);
        if (alive) {
            breaks = 0;
        } else if (producer->is_fatal()) {
            ++breaks;
        }
    }

    net::any_io_executor executor;
    ProducerOptions producer_options;
    KafkaSinkOptions options;
    RetryPolicy recreate;
    std::mt19937_64 random;
    std::unique_ptr<Producer> producer;
    // Producers that broke since the cluster last answered.
    std::uint32_t breaks = 0;
};

KafkaSink::KafkaSink(
    net::any_io_executor executor, ProducerOptions producer, KafkaSinkOptions options
)
    : impl_(std::make_unique<Impl>(
          std::move(executor), std::move(producer), std::move(options)
      )) {}

KafkaSink::~KafkaSink() = default;

net::awaitable<std::vector<Result<void>>> KafkaSink::deliver(
    std::span<const ClaimedEvent> events
) {
    DeliveryPlan plan(events);
    // A round that begins by then ends within a further delivery timeout.
    const auto last_start = Clock::now() + impl_->producer_options.delivery_timeout / 2;
    while (!plan.next().empty()) {
        if (Clock::now() > last_start) {
            plan.stop(fail(Errc::timed_out, "the batch took too long"));
            break;
        }
        const auto ready = co_await impl_->ready();
        if (ready) {
            co_await impl_->send(plan, events);
        } else {
            plan.stop(ready.error());
        }
    }
    co_return plan.take_results();
}

}  // namespace resilience::kafka
