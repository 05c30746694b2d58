// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_BATCH_HPP
#define RESILIENCE_SRC_KAFKA_BATCH_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/clock.hpp>
#include <resilience/kafka/message.hpp>

#include "kafka/client.hpp"

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace resilience::kafka::detail {

using Reports = std::vector<Result<DeliveryReport>>;
using BatchHandler = net::any_completion_handler<void(Reports)>;

class Batch;

/// Where the reports of sent messages are counted.
class BatchOwner {
public:
    virtual void reported(
        Batch& batch, std::size_t index, const rd_kafka_message_t& m
    ) = 0;

protected:
    ~BatchOwner() = default;
};

/// Messages that were handed over together, and what became of each.
class Batch {
public:
    Batch(
        BatchOwner& owner,
        std::vector<Message> all,
        BatchHandler to_call,
        const net::any_io_executor& executor,
        TimePoint now
    )
        : messages(std::move(all)),
          began(now),
          handler_(std::move(to_call)),
          work_(net::make_work_guard(resilience::detail::executor_of(handler_, executor))
          ),
          reports_(messages.size()),
          open_(messages.size()) {
        marks_.reserve(messages.size());
        for (std::size_t i = 0; i < messages.size(); ++i)
            marks_.emplace_back(owner, *this, i);
    }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    ReportReceiver* mark(std::size_t index) { return &marks_[index]; }

    /// Notes what became of a message; the first verdict counts.
    void settle(std::size_t index, Result<DeliveryReport> report) {
        if (std::exchange(marks_[index].settled, true)) return;
        reports_[index] = std::move(report);
        --open_;
    }

    void settle_rest(const Failure& failure) {
        for (std::size_t i = 0; i < marks_.size(); ++i) settle(i, failure);
    }

    bool is_settled() const { return open_ == 0; }

    /// Calls the handler, never inline. REQUIRES: all is settled.
    void complete(const net::any_io_executor& executor) {
        resilience::detail::complete(executor, std::move(handler_), std::move(reports_));
    }

    /// Gone once the client has its copies.
    std::vector<Message> messages;
    TimePoint began;
    /// Topics that the cluster is still asked for, and those that it refused.
    std::size_t awaited = 0;
    std::map<std::string, Failure> refused_topics;
    /// Where it stands among the batches that were sent.
    std::list<std::shared_ptr<Batch>>::iterator place{};

private:
    struct Mark final : ReportReceiver {
        Mark(BatchOwner& o, Batch& b, std::size_t i) : owner(o), batch(b), index(i) {}
        void report(const rd_kafka_message_t& message) override {
            owner.reported(batch, index, message);
        }
        BatchOwner& owner;
        Batch& batch;
        std::size_t index;
        bool settled = false;
    };

    BatchHandler handler_;
    net::executor_work_guard<
        net::associated_executor_t<BatchHandler, net::any_io_executor>>
        work_;
    Reports reports_;
    std::vector<Mark> marks_;
    std::size_t open_;
};

}  // namespace resilience::kafka::detail

#endif
