// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CLIENT_HPP
#define RESILIENCE_SRC_KAFKA_CLIENT_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/kafka/message.hpp>
#include <resilience/kafka/producer_options.hpp>

#include "kafka/client_log.hpp"
#include "kafka/configuration.hpp"
#include "kafka/handles.hpp"
#include "kafka/message_view.hpp"
#include "kafka/request_ledger.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace resilience::kafka::detail {

/// @throws std::invalid_argument A setting is refused by itself.
void check_settings(const Settings& settings);

/** Makes librdkafka's client; it logs to `log` and notes its requests in `ledger`, both
   of which must outlive it.

    @param events Which of librdkafka's events its queues carry besides those that they
        carry always.
    @throws std::invalid_argument A setting is refused.
*/
ClientHandle open_client(
    rd_kafka_type_t type,
    const Settings& settings,
    ClientLog& log,
    RequestLedger* ledger = nullptr,
    int events = RD_KAFKA_EVENT_NONE
);

/// Receives the report of the message that was produced with it as its mark. Called
/// inside of @ref Client::serve alone.
class ReportReceiver {
public:
    virtual void report(const rd_kafka_message_t& message) = 0;

protected:
    ~ReportReceiver() = default;
};

/// How a metadata request ended.
struct MetadataAnswer {
    Result<TopicMetadata> result;
    /// The topic may exist a moment later.
    bool pending = false;
};

/** librdkafka's producer, without a thread or an event loop of its own.

    @par Thread safety
    Safe. `serve` calls the receivers on the thread of its caller.
*/
class Client {
public:
    /// @throws std::invalid_argument A setting is refused.
    Client(const Settings& settings, LogHook log, RequestLedger* ledger = nullptr);

    /// Ends the client's threads, which may take a moment. What is queued is dropped.
    ~Client();

    /// Lets the client write eight bytes to `fd` when a report arrives; -1: no longer.
    void signal_to(int fd);

    /// A topic's own object, for @ref produce. Destroy it before the client.
    Result<TopicHandle> topic(const std::string& name);

    /// Asks the cluster for a topic and blocks until it answers or `timeout` passes.
    MetadataAnswer fetch_metadata(
        rd_kafka_topic_t& topic, std::chrono::milliseconds timeout
    );

    /// Copies the message into the queue. Never blocks. @return 0 or librdkafka's code.
    int produce(
        rd_kafka_topic_t& topic, const MessageView& message, ReportReceiver* mark
    );

    /// Takes every report that has arrived.
    void serve();

    /// Gives up what is queued, and what is sent but not acknowledged too if `in_flight`;
    /// their reports arrive as usual.
    void purge(bool in_flight);

    const ClientLog& log() const noexcept { return *log_; }

    /// For calls that only one kind of producer makes.
    rd_kafka_t* native() noexcept { return client_.get(); }

private:
    // Its threads log until the client is gone.
    std::unique_ptr<ClientLog> log_;
    ClientHandle client_;
    QueueHandle queue_;
};

}  // namespace resilience::kafka::detail

#endif
