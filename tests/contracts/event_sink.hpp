// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_EVENT_SINK_HPP
#define RESILIENCE_TESTS_CONTRACTS_EVENT_SINK_HPP

#include <resilience/cloud_event.hpp>
#include <resilience/relay.hpp>
#include <resilience/uuid.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience::contract {

/// An event as its destination shows it.
struct Arrived {
    std::string key;
    std::string data;
    /// Named as in binary mode: `ce_id`, `ce_type`, ..., and the event's own headers.
    std::map<std::string, std::string> headers;
};

/** A sink to be tried, and a reader of what arrived; one for each subcase.

    Its destination is empty when it is made: a new file, a new topic.
*/
class SinkUnderTest {
public:
    virtual ~SinkUnderTest() = default;

    /// Runs the sink's completions.
    virtual net::io_context& io() = 0;
    virtual EventSink& sink() = 0;

    /// The topic that the events name.
    virtual std::string topic() = 0;

    /// Changes `event` into one that the destination will never take.
    virtual void make_undeliverable(Event& event) = 0;

    /// Reads the destination from its beginning, in order within each key. Waits until
    /// there are `expected` events, and as long as is sensible when there are fewer.
    virtual std::vector<Arrived> arrived(std::size_t expected) = 0;
};

using MakeSink = std::function<std::unique_ptr<SinkUnderTest>()>;

/// Runs `work` to its end on `io` and gives what it returned.
template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr error;
    net::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        error = e;
        result.emplace(std::move(value));
    });
    io.restart();
    while (!result && io.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    REQUIRE(result.has_value());
    return std::move(*result);
}

namespace detail {

inline ClaimedEvent sink_event(
    std::int64_t seq, std::string key, std::string topic, std::string data = {}
) {
    const auto now = std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} +
                     std::chrono::microseconds{123456};
    if (data.empty()) data = "{\"seq\":" + std::to_string(seq) + "}";
    return {
        .event =
            {.id = Uuid::v7(
                       now,
                       {std::hash<std::string>{}(topic),
                        static_cast<std::uint64_t>(seq) << 8}
             )
                       .to_string(),
             .aggregate_type = "user",
             .aggregate_id = "a-" + key,
             .event_type = "user.created",
             .event_data = std::move(data),
             .topic = std::move(topic),
             .partition_key = std::move(key),
             .created_at = now,
             .max_retries = 3},
        .seq = seq};
}

inline std::vector<std::string> ids_of(
    const std::vector<Arrived>& arrived, const std::string& key
) {
    std::vector<std::string> ids;
    for (const auto& one : arrived) {
        if (one.key == key) ids.push_back(one.headers.at("ce_id"));
    }
    return ids;
}

inline std::vector<std::string> ids_of(
    const std::vector<ClaimedEvent>& events, const std::string& key
) {
    std::vector<std::string> ids;
    for (const auto& one : events) {
        if (one.event.partition_key == key) ids.push_back(one.event.id);
    }
    return ids;
}

inline bool all_good(const std::vector<Result<void>>& results) {
    return std::ranges::all_of(results, [](const auto& r) { return r.has_value(); });
}

}  // namespace detail

/// What every @ref EventSink keeps; call it from a test case of the sink.
inline void check_event_sink(const MakeSink& make) {
    using detail::all_good;
    using detail::ids_of;
    using detail::sink_event;

    const auto world = make();
    auto& sink = world->sink();
    const auto deliver = [&](const std::vector<ClaimedEvent>& events) {
        return run(world->io(), sink.deliver(events));
    };

    SUBCASE("no event: no result, nothing arrives") {
        CHECK(deliver({}).empty());
        CHECK(world->arrived(0).empty());
    }

    SUBCASE("O6: one result for each event, and each event arrives") {
        std::vector<ClaimedEvent> events;
        for (int i = 0; i < 50; ++i) {
            events.push_back(sink_event(i, "k" + std::to_string(i % 7), world->topic()));
        }
        const auto results = deliver(events);
        CHECK(results.size() == events.size());
        CHECK(all_good(results));
        const auto arrived = world->arrived(events.size());
        CHECK(arrived.size() == events.size());
        for (int key = 0; key < 7; ++key) {
            const auto name = "k" + std::to_string(key);
            CHECK(ids_of(arrived, name) == ids_of(events, name));
        }
    }

    SUBCASE("O9: a key stays in order from one delivery to the next") {
        std::vector<ClaimedEvent> all;
        for (int turn = 0; turn < 5; ++turn) {
            std::vector<ClaimedEvent> events;
            for (int i = 0; i < 10; ++i) {
                events.push_back(sink_event(turn * 10 + i, "one", world->topic()));
            }
            CHECK(all_good(deliver(events)));
            all.insert(all.end(), events.begin(), events.end());
        }
        CHECK(ids_of(world->arrived(all.size()), "one") == ids_of(all, "one"));
    }

    SUBCASE("M12: an event arrives with its attributes, its headers and its content") {
        auto event = sink_event(
            1,
            "k",
            world->topic(),
            "{ \"name\": \"J\xc3\xbcrgen \\\"x\\\"\",\n \"n\": 1.50 }"
        );
        event.event.headers = {
            {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
            {"reason", "caf\xc3\xa9"},
            {"ce_id", "forged"}};
        CHECK(all_good(deliver({event})));
        const auto arrived = world->arrived(1);
        REQUIRE(arrived.size() == 1);
        CHECK(arrived[0].key == "k");
        CHECK(
            boost::json::parse(arrived[0].data) ==
            boost::json::parse(event.event.event_data)
        );
        auto headers = arrived[0].headers;
        CHECK(headers["ce_specversion"] == "1.0");
        CHECK(headers["ce_id"] == event.event.id);
        CHECK(headers["ce_type"] == "user.created");
        CHECK(headers["ce_source"] == default_cloud_event_source);
        CHECK(headers["ce_subject"] == "a-k");
        CHECK(headers["ce_time"] == "2026-01-31T00:00:00.123456Z");
        CHECK(headers["traceparent"] == event.event.headers[0].second);
        CHECK(headers["reason"] == "caf\xc3\xa9");
    }

    SUBCASE("any JSON is content: empty, null, large") {
        const std::vector<std::string> contents{
            "{}", "null", "[]", "\"\"", "{\"x\":\"" + std::string(900'000, 'y') + "\"}"};
        std::vector<ClaimedEvent> events;
        for (const auto& content : contents) {
            events.push_back(sink_event(
                static_cast<std::int64_t>(events.size()), "k", world->topic(), content
            ));
        }
        CHECK(all_good(deliver(events)));
        const auto arrived = world->arrived(events.size());
        REQUIRE(arrived.size() == contents.size());
        for (std::size_t i = 0; i < contents.size(); ++i) {
            CHECK(arrived[i].data == contents[i]);
        }
    }

    SUBCASE("O7: after an event that is refused, its key waits and the others go on") {
        std::vector<ClaimedEvent> events{
            sink_event(1, "bad", world->topic()),
            sink_event(2, "bad", world->topic()),
            sink_event(3, "good", world->topic()),
            sink_event(4, "bad", world->topic()),
            sink_event(5, "good", world->topic())};
        world->make_undeliverable(events[1].event);
        const auto results = deliver(events);
        REQUIRE(results.size() == 5);
        CHECK(results[0].has_value());
        REQUIRE_FALSE(results[1].has_value());
        CHECK_FALSE(is_retryable(results[1].error().code));
        CHECK(results[1].error() != Errc::cancelled);
        CHECK_FALSE(results[1].error().detail.empty());
        CHECK(results[2].has_value());
        REQUIRE_FALSE(results[3].has_value());
        CHECK(results[3].error() == Errc::cancelled);
        CHECK(results[4].has_value());

        // The key goes on with the event that waited.
        CHECK(all_good(deliver({events[3]})));
        const auto arrived = world->arrived(4);
        CHECK(
            ids_of(arrived, "bad") == std::vector{events[0].event.id, events[3].event.id}
        );
        CHECK(
            ids_of(arrived, "good") == std::vector{events[2].event.id, events[4].event.id}
        );
    }
}

}  // namespace resilience::contract

#endif
