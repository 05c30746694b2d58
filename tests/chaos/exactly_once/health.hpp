// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_HEALTH_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_HEALTH_HPP

#include <chaos/exactly_once/world.hpp>

#include <chrono>
#include <sstream>
#include <string>

namespace resilience::e2e {

/// Whether a relay soon is not ready, and says these words of it.
inline bool is_unready(const Instance& relay, const std::string& why) {
    return eventually([&] {
        return relay.http().get("/readyz").status == 503 &&
               relay.http().get("/health").body.find(why) != std::string::npos;
    });
}

/// Whether a relay is ready within a minute.
inline bool is_ready(const Instance& relay) {
    return eventually(
        [&] { return relay.http().get("/readyz").status == 200; },
        std::chrono::seconds{60}
    );
}

/// Whether one line of its log has all of these words.
template <class... Words>
bool is_told(const Instance& relay, const Words&... words) {
    std::istringstream text(relay.log());
    for (std::string line; std::getline(text, line);) {
        if (((line.find(words) != std::string::npos) && ...)) return true;
    }
    return false;
}

}  // namespace resilience::e2e

#endif
