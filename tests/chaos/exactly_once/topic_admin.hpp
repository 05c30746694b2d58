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

/// Makes a topic empty, as if the cluster had lost all of it. Throws if it cannot.
void lose_topic(const std::string& brokers, const std::string& topic);

/// What clients that tell no name may do to a topic. Where somebody may do anything to
/// it, nobody may do anything else.
enum class Right { read, write, describe_settings };

/// Gives a right, or takes one away that was given. Throws if it cannot.
void give(const std::string& brokers, const std::string& topic, Right right);
void take(const std::string& brokers, const std::string& topic, Right right);

}  // namespace resilience::e2e

#endif
