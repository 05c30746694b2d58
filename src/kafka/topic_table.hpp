// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TOPIC_TABLE_HPP
#define RESILIENCE_SRC_KAFKA_TOPIC_TABLE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/clock.hpp>
#include <resilience/kafka/message.hpp>

#include "kafka/client.hpp"
#include "kafka/worker.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience::kafka::detail {

using Strand = net::strand<net::any_io_executor>;

/** The topics of one producer and what the cluster says of them.

    @par Thread safety
    None: everything happens on the strand.
*/
class TopicTable : public std::enable_shared_from_this<TopicTable> {
public:
    TopicTable(
        Strand strand, std::shared_ptr<Client> client, std::chrono::milliseconds timeout
    );

    /// The topic for @ref Client::produce; null when nothing is known of it.
    rd_kafka_topic_t* find(const std::string& name) const;

    /// The answer of less than `age` ago.
    std::optional<TopicMetadata> known(const std::string& name, std::chrono::minutes age)
        const;

    /// Asks the cluster for a topic; `waiter` is called on the strand, maybe at once.
    void fetch(const std::string& name, Handler<TopicMetadata> waiter);

    /// Answers whoever waits with `closed` and lets another thread end the client.
    void close();

private:
    struct Topic {
        // Shared with the thread that asks the cluster.
        std::shared_ptr<rd_kafka_topic_t> handle;
        std::optional<TopicMetadata> metadata;
        TimePoint fetched_at{};
        std::uint32_t attempts = 0;
        std::vector<Handler<TopicMetadata>> waiters;
    };

    void ask(const std::string& name, const Topic& topic);
    void answered(const std::string& name, MetadataAnswer answer);
    void ask_again_later(const std::string& name, std::chrono::nanoseconds delay);

    Strand strand_;
    std::shared_ptr<Client> client_;
    std::chrono::milliseconds timeout_;
    std::map<std::string, Topic> topics_;
    Worker worker_;
};

}  // namespace resilience::kafka::detail

#endif
