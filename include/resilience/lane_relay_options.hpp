// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LANE_RELAY_OPTIONS_HPP
#define RESILIENCE_LANE_RELAY_OPTIONS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/dead_letter.hpp>
#include <resilience/poison_policy.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace resilience {

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
    /// topic that is missing or denied halts the lane, and so does one for dead letters
    /// or parked events.
    PoisonPolicy poison = PoisonPolicy::halt_lane;

    /// Topics with a policy of their own. Default none.
    std::map<std::string, PoisonPolicy, std::less<>> topic_poison{};

    /// Added to a topic's name to make that of its dead letters. 1 to 100 characters that
    /// topics may have (@ref is_topic_name).
    std::string dead_letter_suffix{default_dead_letter_suffix};

    /// Added to a topic's name to make that of its parked events. As
    /// @ref dead_letter_suffix.
    std::string park_suffix{default_park_suffix};

    /// Most keys of the lane that are parked, each of which is in every position. An
    /// event that would park one more halts the lane. 1 to 200; default 100.
    std::size_t max_parked = default_max_parked;

    /** Asked for parkings that may end, while the lane has some, between two chunks.

        A word is a parking as whoever gives it knows it, with so many events that were
        dealt with. It ends the parking that is the same in all of that; the lane's
        position then says so at once, and later events of the key go to their topic. If
        more were put aside, or the topic or the key is another, as that of a lane whose
        positions were lost and which has begun anew, the word is void. So the order of
       the key holds for whoever writes the events of the parking to their topic in the
       order of their `parked_number`, gives the word with the last of these numbers, and
       where it was void goes on with those that have come since: each event of the key is
       in its topic before every later one.

        A word is acted on once or not at all, and whether it was is told by the position
        alone: it may be lost with an owner that ends, and a word about a parking that is
        over says nothing. What this fails with is passed over. Called on the relay's
        strand, cancelled with it. Default none: no parking ends.
    */
    std::function<net::awaitable<Result<std::vector<ParkedKey>>>(int lane)> find_unparks =
        {};

    /// Time between two such questions. At least 1 ms; default 1 s.
    std::chrono::milliseconds unpark_interval{1000};

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
