// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_RELAY_RELAY_BENCH_HPP
#define RESILIENCE_BENCH_RELAY_RELAY_BENCH_HPP

#include <modules/backing/database.hpp>

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/event.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/relay.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::bench {

/** A database and a topic of this process's own, on the servers that the environment
    names.

    Both are deleted at the end.
*/
class RelayBench {
public:
    /// @throws std::runtime_error A variable is not set, or a server refuses.
    explicit RelayBench(std::string name, int partitions = 4);
    ~RelayBench();
    RelayBench(const RelayBench&) = delete;
    RelayBench& operator=(const RelayBench&) = delete;

    /// How programs connect to the database, its schema being up to date.
    const modules::backing::DatabaseSettings& database() const { return database_; }
    /// What the relay program gives its sink.
    kafka::ProducerOptions producer() const { return {.brokers = brokers_}; }
    const std::string& brokers() const { return brokers_; }
    const std::string& topic() const { return topic_; }

    /// Deletes the topic and makes another.
    void renew_topic(int partitions = 4);

    /// Runs SQL on the database; @throws std::runtime_error It failed.
    void run_sql(const std::string& sql) const;

    /// The only column of the only row; @throws std::runtime_error It failed.
    std::string ask_sql(const std::string& sql) const;

    /// Prints what the figures depend on of PostgreSQL, librdkafka and the broker.
    void print_settings() const;

private:
    void delete_topic() noexcept;

    modules::backing::DatabaseSettings server_;
    modules::backing::DatabaseSettings database_;
    std::string brokers_;
    std::string name_;
    std::string topic_;
    int topics_ = 0;
};

/// 300 bytes of JSON that begin with the number, and are hardly compressible.
std::string numbered_content(std::size_t number);

/// An event about user `number`, with @ref numbered_content.
Event numbered_event(const std::string& topic, std::size_t number);

/// The number in the content of a @ref numbered_event.
std::size_t number_of(std::string_view content);

/// Time that passed in one of the relay's stages.
struct StageTime {
    std::chrono::duration<double> total{};
    std::size_t calls = 0;

    double milliseconds_per_call() const {
        return calls == 0 ? 0 : 1e3 * total.count() / static_cast<double>(calls);
    }
};

/// Forwards to a source and measures it.
class TimedSource final : public ClaimSource {
public:
    explicit TimedSource(ClaimSource& inner) : inner_(inner) {}

    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit) override;
    net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) override;
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds age
    ) override;
    net::awaitable<Result<Depth>> depth() override;
    net::awaitable<Result<Probe>> probe() override;
    void leave_out(std::vector<std::int64_t> rows) override;
    net::awaitable<Result<void>> give_up(std::int64_t row, std::string error) override;

    StageTime claims;
    StageTime settles;
    StageTime others;

private:
    ClaimSource& inner_;
};

/// Forwards to a sink, measures it and shows what was delivered.
class TimedSink final : public EventSink {
public:
    using Seen = std::function<void(const ClaimedEvent&, TimePoint)>;

    explicit TimedSink(EventSink& inner, Seen seen = {})
        : inner_(inner), seen_(std::move(seen)) {}

    net::awaitable<std::vector<Result<void>>> deliver(std::span<const ClaimedEvent> events
    ) override;

    StageTime deliveries;

private:
    EventSink& inner_;
    Seen seen_;
};

/// Runs a coroutine to its end; what it throws is thrown.
void run(net::io_context& io, net::awaitable<void> work);

/// The value, or an exception with the failure's words.
template <class T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace resilience::bench

#endif
