// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_KAFKA_CLUSTER_HPP
#define RESILIENCE_TESTS_INTEGRATION_KAFKA_CLUSTER_HPP

#include <resilience/kafka/producer.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace resilience::test {

using namespace std::chrono_literals;

/// A message as a consumer sees it that is not what is tested.
struct Consumed {
    std::string key;
    std::string value;
    std::map<std::string, std::string> headers;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
};

/// A Kafka cluster seen from outside; each failure throws.
class Cluster {
public:
    explicit Cluster(std::string brokers) : brokers_(std::move(brokers)) {}

    /// The one of KAFKA_BROKERS, without which a test cannot pass.
    static Cluster of_environment();

    const std::string& brokers() const { return brokers_; }

    kafka::ProducerOptions options() const { return {.brokers = brokers_}; }

    /// Waits until a broker answers.
    void await_ready() const;

    /// Makes a topic with a name of its own and the given settings; returns its name.
    std::string make_topic(
        std::string_view purpose,
        int partitions,
        const std::map<std::string, std::string>& settings = {}
    ) const;

    /// The same with a given name.
    void create(
        const std::string& topic,
        int partitions,
        const std::map<std::string, std::string>& settings = {}
    ) const;

    /// Deletes a topic, and waits until it is gone.
    void remove(const std::string& topic) const;

    /// Reads a topic from its beginning to its end, partition by partition. Waits for
    /// `expected` messages as long as is sensible.
    std::vector<Consumed> consume(const std::string& topic, std::size_t expected) const;

    /// Writes records, in no transaction.
    void write(
        const std::string& topic,
        std::int32_t partition,
        const std::string& key,
        const std::optional<std::string>& value,
        int count = 1
    ) const;

    /// Reads through the program `kcat`: one line for each message in `format`.
    std::vector<std::string> kcat(const std::string& topic, const std::string& format)
        const;

private:
    std::string brokers_;
};

/// A name that no other run uses.
std::string unique_name(std::string_view purpose);

/// Text that no codec makes small, another one each time. Of one thread at a time.
std::string noise(std::size_t size);

/// Runs `work` to its end on `io` and gives what it returned.
template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr error;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr thrown, T value) {
        error = thrown;
        if (!thrown) result.emplace(std::move(value));
    });
    io.restart();
    while (!result && !error && io.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    if (!result) throw std::logic_error("the context ran out of work");
    return std::move(*result);
}

/// Values of one key in the order in which they lie in the topic.
std::vector<std::string> values_of(
    const std::vector<Consumed>& consumed, const std::string& key
);

/// The same without the repetitions of a value that came before.
std::vector<std::string> first_occurrences(const std::vector<std::string>& values);

}  // namespace resilience::test

#endif
