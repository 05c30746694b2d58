// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_TOPIC_ADMIN_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_TOPIC_ADMIN_HPP

#include <map>
#include <string>

namespace resilience::e2e {

/// Makes a topic of four partitions. Throws if it cannot.
void create_topic(
    const std::string& brokers,
    const std::string& topic,
    const std::map<std::string, std::string>& settings = {}
);

/// Gives a topic these settings and no others. Throws if it cannot.
void change_topic(
    const std::string& brokers,
    const std::string& topic,
    const std::map<std::string, std::string>& settings
);

}  // namespace resilience::e2e

#endif
