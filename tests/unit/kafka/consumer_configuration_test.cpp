// SPDX-License-Identifier: MIT
#include "kafka/consumer_configuration.hpp"
#include "kafka/client.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <stdexcept>
#include <string>

using namespace resilience::kafka;
using namespace std::chrono_literals;

namespace {

ConsumerOptions least() {
    return {.brokers = "localhost:9092", .group = "g", .topics = {"t"}};
}

std::map<std::string, std::string> settings(const ConsumerOptions& options) {
    const auto list = detail::consumer_settings(options);
    return {list.begin(), list.end()};
}

void refuses(const char* name, const std::function<void(ConsumerOptions&)>& spoil) {
    CAPTURE(name);
    auto options = least();
    spoil(options);
    try {
        (void)detail::consumer_settings(options);
        FAIL("was accepted");
    } catch (const std::invalid_argument& error) {
        CHECK(std::string{error.what()}.starts_with(name));
    }
}

}  // namespace

TEST_CASE("A consumer reads committed records and commits nothing by itself") {
    auto options = least();
    auto made = settings(options);
    CHECK(made["isolation.level"] == "read_committed");
    CHECK(made["enable.auto.commit"] == "false");
    CHECK(made["enable.auto.offset.store"] == "false");
    CHECK(made["allow.auto.create.topics"] == "false");
    CHECK(made["auto.offset.reset"] == "earliest");
    CHECK(made["queued.min.messages"] == "10000");
    CHECK(made["queued.max.messages.kbytes"] == "16384");
    CHECK(made["session.timeout.ms"] == "45000");
    CHECK(made["max.poll.interval.ms"] == "300000");
    options.reset = OffsetReset::latest;
    options.settings = {{"group.instance.id", "one"}};
    made = settings(options);
    CHECK(made["auto.offset.reset"] == "latest");
    CHECK(made["group.instance.id"] == "one");
    options.reset = OffsetReset::fail;
    CHECK(settings(options)["auto.offset.reset"] == "error");
}

TEST_CASE("The client library takes the settings of a consumer") {
    detail::check_settings(detail::consumer_settings(least()));
}

TEST_CASE("A consumer refuses options that are out of range, by name") {
    refuses("brokers", [](auto& o) { o.brokers.clear(); });
    refuses("client_id", [](auto& o) { o.client_id.clear(); });
    refuses("group", [](auto& o) { o.group.clear(); });
    refuses("group", [](auto& o) { o.group.assign(256, 'g'); });
    refuses("topics", [](auto& o) { o.topics.clear(); });
    refuses("topics", [](auto& o) { o.topics = {"^t.*"}; });
    refuses("topics", [](auto& o) { o.topics = {"t", "t"}; });
    refuses("topics", [](auto& o) {
        o.topics.clear();
        for (int i = 0; i < 1001; ++i) o.topics.push_back(std::to_string(i));
    });
    refuses("reset", [](auto& o) { o.reset = static_cast<OffsetReset>(9); });
    refuses("batch_bytes", [](auto& o) { o.batch_bytes = 0; });
    refuses("batch_bytes", [](auto& o) { o.batch_bytes = (1ULL << 30) + 1; });
    refuses("prefetch_messages", [](auto& o) { o.prefetch_messages = 0; });
    refuses("prefetch_messages", [](auto& o) { o.prefetch_messages = 10'000'001; });
    refuses("prefetch_bytes", [](auto& o) { o.prefetch_bytes = (1U << 20) - 1; });
    refuses("prefetch_bytes", [](auto& o) { o.prefetch_bytes = (1ULL << 30) + 1; });
    refuses("session_timeout", [](auto& o) { o.session_timeout = 5999ms; });
    refuses("session_timeout", [](auto& o) { o.session_timeout = 30min + 1ms; });
    refuses("max_poll_interval", [](auto& o) { o.max_poll_interval = 44999ms; });
    refuses("max_poll_interval", [](auto& o) { o.max_poll_interval = 24h + 1ms; });
    refuses("commit_timeout", [](auto& o) { o.commit_timeout = 99ms; });
    refuses("commit_timeout", [](auto& o) { o.commit_timeout = 300001ms; });
    refuses("close_timeout", [](auto& o) { o.close_timeout = 0ms; });
    refuses("close_timeout", [](auto& o) { o.close_timeout = 5min + 1ms; });
    refuses("socket_timeout", [](auto& o) { o.socket_timeout = 9ms; });
    refuses("security", [](auto& o) { o.security.username = "u"; });
}

TEST_CASE("A consumer refuses settings of the client library that its promise rests on") {
    for (const char* name :
         {"isolation.level",
          "enable.auto.commit",
          "auto.commit.enable",
          "enable.auto.offset.store",
          "group.id",
          "group.protocol",
          "auto.offset.reset",
          "enable.partition.eof",
          "allow.auto.create.topics",
          "bootstrap.servers",
          "max.poll.interval.ms",
          "session.timeout.ms",
          "queued.min.messages",
          "queued.max.messages.kbytes"}) {
        refuses("settings", [name](auto& o) { o.settings = {{name, "1"}}; });
    }
}
