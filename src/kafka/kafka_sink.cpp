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
#include <optional>
#include <random>
#include <stdexcept>
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

    // Empty: the producer hashes the key.
    net::awaitable<Result<std::optional<std::int32_t>>> partition_of(const Event& event) {
        if (!options.partitioner) co_return std::optional<std::int32_t>{};
        const auto topic = co_await producer->async_metadata(event.topic);
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
        std::vector<std::size_t> sent;
        std::vector<Message> messages;
        for (const std::size_t i : plan.next()) {
            const Event& event = events[i].event;
            auto partition = co_await partition_of(event);
            if (!partition) {
                if (is_retryable(partition.error().code)) {
                    plan.stop(partition.error());
                    co_return;
                }
                plan.refuse(i, partition.error());
                // Others of its key may be among those that were to be sent with it.
                co_return;
            }
            sent.push_back(i);
            messages.push_back(detail::event_message(event, options.source, *partition));
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
