// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_PRODUCER_CORE_HPP
#define RESILIENCE_SRC_KAFKA_PRODUCER_CORE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/kafka/producer_options.hpp>

#include "kafka/batch.hpp"
#include "kafka/client.hpp"
#include "kafka/topic_table.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::kafka::detail {

/** What @ref Producer is behind its face: batches on their way and their end.

    A batch waits until its topics are known, is sent, and completes with its last report.
    Public functions may be called on any thread, the others run on the strand.
*/
class ProducerCore : public BatchOwner,
                     public std::enable_shared_from_this<ProducerCore> {
public:
    ProducerCore(net::any_io_executor executor, ProducerOptions options);
    ~ProducerCore();

    void start(std::vector<Message> messages, BatchHandler handler);
    void start_flush(std::chrono::milliseconds timeout, Handler<void> handler);
    void start_metadata(std::string topic, Handler<TopicMetadata> handler);

    const net::any_io_executor& executor() const noexcept { return executor_; }
    const Strand& strand() const noexcept { return strand_; }
    bool is_fatal() const noexcept { return phase_ != Phase::working; }

    /// Fails what is on its way and lets the client go. On the strand.
    void close();

private:
    enum class Phase : std::uint8_t {
        working,
        // A message failed: the queue was purged, answers to what is in flight may come.
        draining,
        // What was in flight was purged too; its reports are all that is missing.
        purged,
        closed
    };

    struct Flush {
        explicit Flush(const Strand& strand, Handler<void> to_call)
            : timer(strand), handler(std::move(to_call)) {}
        net::steady_timer timer;
        Handler<void> handler;
    };

    void reported(Batch& batch, std::size_t index, const rd_kafka_message_t& m) override;
    Failure failure_of(const Batch& batch, const rd_kafka_message_t& m) const;

    void admit(std::shared_ptr<Batch> batch);
    void await_topics(const std::shared_ptr<Batch>& batch);
    void send_ready();
    void send(const std::shared_ptr<Batch>& batch);
    Result<void> submit(Batch& batch, std::size_t index);
    void watch_reports();
    void on_time(TimePoint now);
    void set_timer();
    void break_down(Phase phase, const Failure& reason);
    void enter(Phase phase, TimePoint now);
    void refuse_waiting(const Failure& failure);
    void check_flushes();
    void release_client();

    net::any_io_executor executor_;
    Strand strand_;
    ProducerOptions options_;
    std::shared_ptr<Client> client_;
    std::shared_ptr<TopicTable> topics_;
    net::posix::stream_descriptor arrivals_;
    bool watching_ = false;

    std::atomic<Phase> phase_{Phase::working};
    TimePoint phase_ends_{};
    // What is said of messages that are refused or given up for another one's failure.
    Failure broken_by_;
    bool expired_ = false;

    std::deque<std::shared_ptr<Batch>> waiting_;
    std::size_t waiting_messages_ = 0;
    std::list<std::shared_ptr<Batch>> sent_;
    std::list<std::shared_ptr<Flush>> flushes_;
    net::steady_timer timer_;
    bool timing_ = false;
};

}  // namespace resilience::kafka::detail

#endif
