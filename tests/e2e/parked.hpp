// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_PARKED_HPP
#define RESILIENCE_TESTS_E2E_PARKED_HPP

#include <e2e/lanes.hpp>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace resilience::e2e {

/// What was read of each record.
using Numbers = std::vector<std::string>;

/// One lane whose events of a key may be put aside.
struct Parked : Lanes {
    explicit Parked(Environment more = {}) : Lanes(1, std::move(more)) {
        create_topic();
        create_topic(topic() + ".parked");
    }

    /// Writes an event of this key; the content is its number and a text of this size.
    void write_one(const std::string& key, int number, int size = 0) const {
        (void)sql(
            "INSERT INTO outbox_events (id, aggregate_type, aggregate_id, event_type, "
            "event_data, topic, partition_key) SELECT gen_random_uuid(), 't', '" +
            key + "', 'e', jsonb_build_object('n', " + std::to_string(number) +
            ", 't', repeat('x', " + std::to_string(size) + ")), '" + topic() + "', '" +
            key + "'"
        );
    }

    /// Gives the word that a parking of lane 0 may end.
    void say_unparked(const std::string& key, int since, int events) const {
        (void)sql(
            "INSERT INTO outbox_unparks (outbox, lane, since, topic, key, events) VALUES "
            "('" +
            environment().at("DB_NAME") + "', 0, " + std::to_string(since) + ", '" +
            topic() + "', '" + key + "', " + std::to_string(events) + ")"
        );
    }

    /// Keys of what is in a topic, or what else of it kcat is asked for.
    Numbers read(const std::string& name, const std::string& what = "%k") const {
        std::istringstream text{shell(
            "kcat -C -q -e -o beginning -b '" + environment().at("KAFKA_BROKERS") +
            "' -t '" + name + "' -f '" + what + "\\n'"
        )};
        Numbers lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }
    Numbers delivered_keys() const { return read(topic()); }
    Numbers parked_keys() const { return read(topic() + ".parked"); }
};

}  // namespace resilience::e2e

#endif
