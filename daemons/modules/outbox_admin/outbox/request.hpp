// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_REQUEST_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_REQUEST_HPP

#include <modules/backing/database.hpp>
#include <modules/backing/kafka.hpp>
#include <modules/relay/settings.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace resilience::modules::outbox_admin {

/// What is asked of the program, and of which outbox. Each command declares what of it it
/// takes.
struct Request {
    backing::DatabaseSettings database;
    backing::KafkaSettings kafka;
    relay::RelaySettings relay;

    /// Prints one JSON object instead of text.
    bool json = false;
    /// How long a reading of Kafka goes on while nothing comes of it.
    std::chrono::milliseconds patience{30'000};

    /// Rows of the table that one statement goes through.
    std::int64_t rows_at_once = 10'000;

    /// Names separated by commas. Empty: those that the table names.
    std::string topics;
    /// Records that are younger than this; 0: all.
    std::chrono::milliseconds since{0};
    /// Records that no lane wrote are nothing wrong.
    bool allow_foreign = false;

    /// -1: all lanes.
    std::int64_t lane = -1;
    bool dry_run = false;
    bool yes = false;
    /// Rows that are compared at most.
    std::int64_t most_rows = 5'000'000;
    /// What rows are that the topics tell nothing of; at most one of the two.
    bool count_unjudged = false;
    bool deliver_unjudged = false;

    /// How many lanes there are to be.
    std::string count;

    /// Dead letters, or parked keys of a lane, that are listed at most.
    std::int64_t limit = 100;
    /// An event; empty: none.
    std::string id;
    bool all = false;

    /// A key that is parked, and the topic of its events; no topic: any.
    std::string key;
    std::string topic;
    /// The first so many events of its parking are in their topic, somebody says; -1:
    /// nobody says anything.
    std::int64_t written = -1;
    /// How long a relay is waited for.
    std::chrono::milliseconds wait{30'000};

    /// Lag beyond which something is wrong; 0: none.
    std::chrono::milliseconds over{0};
};

}  // namespace resilience::modules::outbox_admin

#endif
