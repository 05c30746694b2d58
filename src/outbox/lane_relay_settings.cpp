// SPDX-License-Identifier: MIT
#include "lane_relay_settings.hpp"

#include <resilience/event.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace resilience::detail {
namespace {

constexpr std::size_t most_chunk_rows = 100'000;
constexpr std::size_t most_chunk_bytes = std::size_t{1} << 30;
constexpr std::size_t longest_suffix = 100;
constexpr int last_lane = 32'767;
constexpr std::size_t most_parked = 200;

void check_suffix(const char* name, const std::string& suffix) {
    // `.` alone is no name, but a part of one.
    const bool legal = is_topic_name("t" + suffix);
    if (!suffix.empty() && legal && suffix.size() <= longest_suffix) return;
    throw std::invalid_argument(
        std::string{"LaneRelayOptions::"} + name +
        " must be 1 to 100 of A-Z a-z 0-9 . _ -"
    );
}

// Tells the first part in which two histories differ.
std::string difference(const SourceIdentity& was, const SourceIdentity& is) {
    const auto differ = [](const char* what, std::uint64_t from, std::uint64_t to) {
        return std::string{what} + " is " + std::to_string(to) + ", the position's " +
               std::to_string(from);
    };
    if (was.system_id != is.system_id) {
        return differ("the cluster", was.system_id, is.system_id);
    }
    if (was.timeline != is.timeline) {
        return differ("the timeline", was.timeline, is.timeline);
    }
    if (was.database != is.database) {
        return differ("the database's oid", was.database, is.database);
    }
    return differ("the table's oid", was.table, is.table);
}

}  // namespace

LaneRelayOptions checked(LaneRelayOptions options) {
    using std::chrono::milliseconds;
    if (options.lane < 0 || options.lane > last_lane) {
        throw std::invalid_argument("LaneRelayOptions::lane must be 0 to 32767");
    }
    if (options.chunk_rows < 1 || options.chunk_rows > most_chunk_rows) {
        throw std::invalid_argument("LaneRelayOptions::chunk_rows must be 1 to 100000");
    }
    if (options.chunk_bytes < 1 || options.chunk_bytes > most_chunk_bytes) {
        throw std::invalid_argument("LaneRelayOptions::chunk_bytes must be 1 to 2^30");
    }
    if (options.least_poll < milliseconds{1}) {
        throw std::invalid_argument("LaneRelayOptions::least_poll must be at least 1 ms");
    }
    if (options.poll_interval < options.least_poll) {
        throw std::invalid_argument(
            "LaneRelayOptions::poll_interval must not be less than least_poll"
        );
    }
    if (options.poison > PoisonPolicy::park_key) {
        throw std::invalid_argument("LaneRelayOptions::poison must be one of its names");
    }
    for (const auto& [topic, policy] : options.topic_poison) {
        if (policy > PoisonPolicy::park_key) {
            throw std::invalid_argument(
                "LaneRelayOptions::topic_poison must be of the names of policies"
            );
        }
    }
    check_suffix("dead_letter_suffix", options.dead_letter_suffix);
    check_suffix("park_suffix", options.park_suffix);
    if (options.max_parked < 1 || options.max_parked > most_parked) {
        throw std::invalid_argument("LaneRelayOptions::max_parked must be 1 to 200");
    }
    if (options.unpark_interval < milliseconds{1}) {
        throw std::invalid_argument(
            "LaneRelayOptions::unpark_interval must be at least 1 ms"
        );
    }
    if (options.halted_tries < 1) {
        throw std::invalid_argument("LaneRelayOptions::halted_tries must be at least 1");
    }
    return options;
}

Result<LanePosition> begin_lane(
    const LaneRelayOptions& options,
    const SourceIdentity& source,
    const std::optional<LanePosition>& found
) {
    const auto lane = "lane " + std::to_string(options.lane) + ": ";
    if (!found) {
        if (!options.first_seen) {
            return fail(
                Errc::history_changed,
                lane +
                    "has no position, though it had one. Restore the topic of the "
                    "positions, or compare the table with what was delivered and give "
                    "the lane a new position"
            );
        }
        return LanePosition{
            .source = source,
            .seen = *options.first_seen,
            .window = *options.first_seen,
            .map_version = options.map_version};
    }
    if (found->source != source) {
        return fail(
            Errc::history_changed,
            lane + difference(found->source, source) +
                ". Connect to the source that the lane followed, or compare the table "
                "with what was delivered and give the lane a new position"
        );
    }
    if (found->map_version != options.map_version) {
        return fail(
            Errc::invalid_request,
            lane + "map_version is " + std::to_string(options.map_version) +
                ", the position's " + std::to_string(found->map_version) +
                ". Run every instance with the lanes that the outbox has now"
        );
    }
    return *found;
}

}  // namespace resilience::detail
