// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_FIXTURE_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_FIXTURE_HPP

#include <resilience/relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace contract {

namespace net = boost::asio;

/// What a row of `outbox_events` says about its delivery.
struct RowState {
    std::string status;
    std::int32_t retry_count = 0;
    /// Empty when the column is NULL.
    std::string error_message;
    /// Whether `processed_at` is set.
    bool processed = false;
};

/// An empty outbox table, made anew for each use, and ways to look at it from outside.
class ClaimSourceFixture {
public:
    virtual ~ClaimSourceFixture() = default;

    /// A further relay's source on the same table.
    virtual std::unique_ptr<resilience::ClaimSource> make_source() = 0;

    /// Writes an event; it is committed when this returns.
    virtual void append(resilience::Event event) = 0;

    virtual RowState row(const std::string& id) = 0;

    /// From now on the table refuses to give this row this status.
    virtual void refuse(const std::string& id, const std::string& status) = 0;

    /// Where the sources work; the contract runs it.
    virtual net::io_context& context() = 0;
};

/// Runs `work` on `context` until it has ended and returns what it returned.
template <class T>
T run(net::io_context& context, net::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr error;
    net::co_spawn(context, std::move(work), [&](std::exception_ptr thrown, T value) {
        error = thrown;
        if (!thrown) result.emplace(std::move(value));
    });
    context.restart();
    while (!result && !error && context.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    if (!result) throw std::logic_error("the context ran out of work");
    return std::move(*result);
}

/// A UUID that ends in `number`, to be recognised in a failing test's output.
inline std::string event_id(int number) {
    std::string digits = std::to_string(number);
    return "018f0000-0000-7000-8000-" + std::string(12 - digits.size(), '0') + digits;
}

inline resilience::Event make_event(int number, std::string key) {
    resilience::Event event;
    event.id = event_id(number);
    event.aggregate_type = "user";
    event.aggregate_id = key;
    event.event_type = "user.created";
    event.event_data = R"({"number":)" + std::to_string(number) + "}";
    event.topic = "user-events";
    event.partition_key = std::move(key);
    event.max_retries = 3;
    return event;
}

/// The contract's view of one source: synchronous, and failing the test on an error.
class Relay {
public:
    explicit Relay(ClaimSourceFixture& fixture)
        : fixture_(fixture), source_(fixture.make_source()) {}

    std::vector<resilience::ClaimedEvent> claim_events(std::size_t limit) {
        auto claimed = run(fixture_.context(), source_->claim(limit));
        if (!claimed) FAIL("claim: ", claimed.error().message());
        auto events = std::move(*claimed);
        for (const auto& event : events) seq_of_[event.event.id] = event.seq;
        return events;
    }

    /// The ids that were claimed.
    std::vector<std::string> claim(std::size_t limit = 100) {
        std::vector<std::string> ids;
        for (const auto& event : claim_events(limit)) ids.push_back(event.event.id);
        return ids;
    }

    struct Verdict {
        int number;
        resilience::Disposition disposition;
        std::chrono::nanoseconds delay{0};
        std::string error;
    };

    void settle(std::vector<Verdict> verdicts) {
        std::vector<resilience::Settlement> settlements;
        for (auto& verdict : verdicts) {
            settlements.push_back(
                {seq_of_.at(event_id(verdict.number)),
                 verdict.disposition,
                 verdict.delay,
                 std::move(verdict.error)}
            );
        }
        const auto settled = run(fixture_.context(), settle_all(std::move(settlements)));
        if (!settled) FAIL("settle: ", settled.error().message());
    }

    std::int64_t reset_stale(std::chrono::milliseconds age) {
        const auto reset = run(fixture_.context(), source_->reset_stale(age));
        if (!reset) FAIL("reset_stale: ", reset.error().message());
        return *reset;
    }

    resilience::ClaimSource::Depth depth() {
        const auto depth = run(fixture_.context(), source_->depth());
        if (!depth) FAIL("depth: ", depth.error().message());
        return *depth;
    }

private:
    // A parameter of a coroutine lives as long as the coroutine; a temporary does not.
    net::awaitable<resilience::Result<void>> settle_all(
        std::vector<resilience::Settlement> settlements
    ) {
        co_return co_await source_->settle(std::move(settlements));
    }

    ClaimSourceFixture& fixture_;
    std::unique_ptr<resilience::ClaimSource> source_;
    std::map<std::string, std::int64_t> seq_of_;
};

using MakeFixture = std::function<std::unique_ptr<ClaimSourceFixture>()>;

}  // namespace contract

#endif
