// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_RELAY_OPTIONS_HPP
#define RESILIENCE_LANE_RELAY_OPTIONS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/dead_letter.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace resilience {

/// What becomes of an event that its destination will never take as it is.
enum class PoisonPolicy : std::uint8_t {
    /// Everything before it is delivered, then the lane halts until somebody helps.
    halt_lane,
    /// Its @ref dead_letter takes its place, in the same transaction.
    dlq
};

/// Settings of a @ref LaneRelay.
struct LaneRelayOptions {
    /// Which lane's rows. 0 to 32,767; default 0.
    int lane = 0;

    /// Under which assignment of keys to lanes the rows were written. A position of
    /// another is refused. Default 0.
    std::uint32_t map_version = 0;

    /// The snapshot to begin after when the lane has no position: what it shows counts
    /// as delivered, which is committed at once. Empty: every row is delivered. None: a
    /// lane without a position is refused, because it is known to have had one. Default
    /// empty.
    std::optional<std::string> first_seen = std::string{};

    /// Asked for that snapshot instead, if it is given, when the lane, whose number it is
    /// told, is taken over and has no position; the position is then committed at once
    /// whatever the snapshot. What it fails with, the lane fails with. Called on the
    /// relay's strand, cancelled with it. Default none.
    std::function<net::awaitable<Result<std::string>>(int lane)> find_first = {};

    /// Most rows of a chunk, which is one transaction of the sink. 1 to 100,000; default
    /// 5,000. A chunk takes what is there, so an event that comes alone leaves alone.
    std::size_t chunk_rows = 5000;

    /// A chunk ends with the row that brings the stored size of its contents to this
    /// number of bytes. 1 to 1 GiB; default 4 MiB. With @ref read_ahead a lane keeps two
    /// chunks in memory.
    std::size_t chunk_bytes = 4 * 1024 * 1024;

    /// First wait between two looks at a source that has nothing new. At least 1 ms;
    /// default 1 ms.
    std::chrono::milliseconds least_poll{1};

    /// Longest wait between two looks. At least @ref least_poll; default 20 ms. The wait
    /// grows by a fiftieth while nothing is found.
    std::chrono::milliseconds poll_interval{20};

    /// Whether the next slice of a window is read while the last one is committed.
    /// Default true.
    bool read_ahead = true;

    /// Default halt_lane. Only what is wrong with an event itself makes a dead letter: a
    /// topic that is missing or denied halts the lane, and so does one for dead letters.
    PoisonPolicy poison = PoisonPolicy::halt_lane;

    /// Added to a topic's name to make that of its dead letters. 1 to 100 characters that
    /// topics may have (@ref is_topic_name).
    std::string dead_letter_suffix{default_dead_letter_suffix};

    /// Pauses while source or sink is down. `attempts` is not used: a lane goes on until
    /// it is stopped. A halted lane tries again after each `cap`.
    RetryOptions pause{
        .base = std::chrono::milliseconds{100}, .cap = std::chrono::seconds{5}};

    /// How often in a row a halted lane tries again before @ref LaneRelay::run gives up
    /// with the failure. At least 1; default 720, an hour with the default pause.
    std::uint32_t halted_tries = 720;

    /// Seed of the jitter; 0 takes one from the system.
    std::uint64_t seed = 0;
};

}  // namespace resilience

#endif
