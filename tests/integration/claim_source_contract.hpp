// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CLAIM_SOURCE_CONTRACT_HPP
#define RESILIENCE_TESTS_CLAIM_SOURCE_CONTRACT_HPP

#include <resilience/relay.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <algorithm>
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

/// What `claim` returns, to whom, and in which order.
inline void check_claims(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};
    const auto append = [&](int number, std::string key) {
        fixture->append(make_event(number, std::move(key)));
    };

    SUBCASE("an empty table gives nothing") { CHECK(relay.claim().empty()); }

    SUBCASE("the content comes back as it was written") {
        auto written = make_event(1, "k\xc3\xa9y \"'\\");
        written.event_data =
            R"({"e":"a\"b\\c","n":[1,null,true],"u":"\u00e9","s":"','"})";
        written.headers = {{"traceparent", "00-ab-cd-01"}, {"x", "\xe2\x82\xac \"q\""}};
        written.created_at =
            resilience::WallClock::time_point{std::chrono::milliseconds{1700000000123}};
        written.max_retries = 7;
        fixture->append(written);
        const auto claimed = relay.claim_events(10);
        REQUIRE(claimed.size() == 1);
        const auto& event = claimed[0].event;
        CHECK(event.id == written.id);
        CHECK(event.aggregate_type == written.aggregate_type);
        CHECK(event.aggregate_id == written.aggregate_id);
        CHECK(event.event_type == written.event_type);
        CHECK(
            boost::json::parse(event.event_data) == boost::json::parse(written.event_data)
        );
        CHECK(event.topic == written.topic);
        CHECK(event.partition_key == written.partition_key);
        auto headers = event.headers;
        std::sort(headers.begin(), headers.end());
        CHECK(headers == written.headers);
        CHECK(event.created_at == written.created_at);
        CHECK(event.max_retries == 7);
        CHECK(claimed[0].retry_count == 0);
    }

    SUBCASE("rows come by ascending seq, at most as many as asked for") {
        for (int i = 1; i <= 5; ++i) append(i, "k" + std::to_string(i));
        const auto first = relay.claim_events(3);
        REQUIRE(first.size() == 3);
        CHECK(first[0].seq < first[1].seq);
        CHECK(first[1].seq < first[2].seq);
        CHECK(first[0].event.id == event_id(1));
        CHECK(first[2].event.id == event_id(3));
        CHECK(relay.claim(3) == std::vector{event_id(4), event_id(5)});
        CHECK(relay.claim(3).empty());
    }

    SUBCASE("a claimed row is PROCESSING and no other relay gets it") {
        append(1, "a");
        Relay other{*fixture};
        CHECK(relay.claim() == std::vector{event_id(1)});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
        CHECK(other.claim().empty());
    }

    SUBCASE("rows of one key are claimed together in the order of writing") {
        append(1, "a");
        append(2, "b");
        append(3, "a");
        CHECK(relay.claim() == std::vector{event_id(1), event_id(2), event_id(3)});
    }

    SUBCASE("no row overtakes an earlier PROCESSING row of its key, whoever holds it") {
        append(1, "a");
        CHECK(relay.claim(1) == std::vector{event_id(1)});
        append(2, "a");
        append(3, "b");
        Relay other{*fixture};
        CHECK(other.claim() == std::vector{event_id(3)});
        CHECK(relay.claim().empty());
        relay.settle({{1, sent}});
        CHECK(other.claim() == std::vector{event_id(2)});
    }

    SUBCASE("no row overtakes an earlier row of its key that waits for its retry") {
        append(1, "a");
        append(2, "b");
        CHECK(relay.claim().size() == 2);
        relay.settle({{1, retry, 1h, "broken"}, {2, sent}});
        append(3, "a");
        append(4, "b");
        CHECK(relay.claim() == std::vector{event_id(4)});
    }

    SUBCASE("a row that waited comes back before the later rows of its key") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        append(2, "a");
        relay.settle({{1, retry, 0s, "broken"}});
        CHECK(relay.claim(1) == std::vector{event_id(1)});
        relay.settle({{1, sent}});
        CHECK(relay.claim(1) == std::vector{event_id(2)});
    }

    SUBCASE("a FAILED row does not hold its key up") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        relay.settle({{1, failed, 0s, "given up"}});
        append(2, "a");
        CHECK(relay.claim() == std::vector{event_id(2)});
    }

    SUBCASE("rows held up behind one key do not use up the limit") {
        append(1, "a");
        CHECK(relay.claim().size() == 1);
        relay.settle({{1, retry, 1h, "broken"}});
        for (int i = 2; i <= 40; ++i) append(i, "a");
        append(41, "b");
        append(42, "c");
        CHECK(relay.claim(2) == std::vector{event_id(41), event_id(42)});
    }
}

/// What `settle` writes, and that it writes only to rows that are still the relay's.
inline void check_settlements(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};
    fixture->append(make_event(1, "a"));
    fixture->append(make_event(2, "b"));
    REQUIRE(relay.claim().size() == 2);

    SUBCASE("nothing to settle is no error") {
        relay.settle({});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
    }

    SUBCASE("sent: the row is SENT, with its time, and is not claimed again") {
        relay.settle({{1, sent}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "SENT");
        CHECK(row.processed);
        CHECK(row.retry_count == 0);
        CHECK(row.error_message.empty());
        CHECK(fixture->row(event_id(2)).status == "PROCESSING");
        CHECK(relay.claim().empty());
    }

    SUBCASE("retry: the row is NEW, the failure is counted and its text kept") {
        relay.settle({{1, retry, 0s, "broken \xc3\xa9 '\"\\{}"}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "NEW");
        CHECK(row.retry_count == 1);
        CHECK(row.error_message == "broken \xc3\xa9 '\"\\{}");
        CHECK_FALSE(row.processed);
        const auto again = relay.claim_events(10);
        REQUIRE(again.size() == 1);
        CHECK(again[0].retry_count == 1);
        relay.settle({{1, sent}});
        CHECK(fixture->row(event_id(1)).retry_count == 1);
        CHECK(fixture->row(event_id(1)).error_message.empty());
    }

    SUBCASE("retry: the row is not due before its delay has passed") {
        relay.settle({{1, retry, 1h, "broken"}});
        CHECK(relay.claim().empty());
    }

    SUBCASE("failed: the row is FAILED, with the last error, and is not claimed again") {
        relay.settle({{1, failed, 0s, "given up"}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "FAILED");
        CHECK(row.error_message == "given up");
        CHECK(row.retry_count == 1);
        CHECK(row.processed);
        CHECK(relay.claim().empty());
    }

    SUBCASE("released: the row is NEW, due, and nothing is counted") {
        relay.settle({{1, released}});
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "NEW");
        CHECK(row.retry_count == 0);
        CHECK(row.error_message.empty());
        CHECK(relay.claim() == std::vector{event_id(1)});
    }

    SUBCASE("all verdicts of a batch are applied at once") {
        relay.settle({{2, retry, 0s, "broken"}, {1, sent}});
        CHECK(fixture->row(event_id(1)).status == "SENT");
        CHECK(fixture->row(event_id(2)).status == "NEW");
        CHECK(fixture->row(event_id(2)).retry_count == 1);
    }

    SUBCASE("a row that was reset as stale is left alone") {
        CHECK(Relay{*fixture}.reset_stale(0ms) == 2);
        relay.settle({{1, sent}, {2, failed, 0s, "given up"}});
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(2)).status == "NEW");
        CHECK(fixture->row(event_id(2)).error_message.empty());
    }

    SUBCASE("a row that another relay holds by now is left alone") {
        Relay other{*fixture};
        CHECK(other.reset_stale(0ms) == 2);
        CHECK(other.claim().size() == 2);
        relay.settle({{1, sent}, {2, released}});
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
        CHECK(fixture->row(event_id(2)).status == "PROCESSING");
        other.settle({{1, sent}, {2, sent}});
        CHECK(fixture->row(event_id(1)).status == "SENT");
        CHECK(fixture->row(event_id(2)).status == "SENT");
    }
}

/// `reset_stale` and `depth`.
inline void check_stale_and_depth(const MakeFixture& make) {
    using enum resilience::Disposition;
    using namespace std::chrono_literals;
    const auto fixture = make();
    Relay relay{*fixture};

    SUBCASE("reset_stale leaves rows alone that are not held for so long") {
        fixture->append(make_event(1, "a"));
        REQUIRE(relay.claim().size() == 1);
        CHECK(relay.reset_stale(1h) == 0);
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
    }

    SUBCASE("reset_stale frees rows whoever holds them, and counts nothing") {
        fixture->append(make_event(1, "a"));
        fixture->append(make_event(2, "b"));
        fixture->append(make_event(3, "c"));
        REQUIRE(relay.claim(2).size() == 2);
        Relay other{*fixture};
        CHECK(other.reset_stale(0ms) == 2);
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(1)).retry_count == 0);
        CHECK(other.claim() == std::vector{event_id(1), event_id(2), event_id(3)});
    }

    SUBCASE("an empty table has no depth") {
        CHECK(relay.depth().events == 0);
        CHECK(relay.depth().oldest == 0ms);
    }

    SUBCASE("depth counts NEW and PROCESSING rows and knows the age of the oldest") {
        auto old = make_event(1, "a");
        old.created_at = std::chrono::floor<std::chrono::milliseconds>(
            resilience::WallClock::now() - 1h
        );
        fixture->append(old);
        fixture->append(make_event(2, "b"));
        fixture->append(make_event(3, "c"));
        REQUIRE(relay.claim(1).size() == 1);
        CHECK(relay.depth().events == 3);
        CHECK(relay.depth().oldest >= 59min);
        CHECK(relay.depth().oldest <= 24h);
        relay.settle({{1, sent}});
        CHECK(relay.depth().events == 2);
        CHECK(relay.depth().oldest < 59min);
        CHECK(relay.claim().size() == 2);
        relay.settle({{2, failed, 0s, "given up"}, {3, sent}});
        CHECK(relay.depth().events == 0);
    }
}

/// The whole contract; call it in one test case of each implementation.
inline void check_claim_source(const MakeFixture& make) {
    SUBCASE("claim") { check_claims(make); }
    SUBCASE("settle") { check_settlements(make); }
    SUBCASE("reset_stale and depth") { check_stale_and_depth(make); }
}

}  // namespace contract

#endif
