// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_LETTERS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_LETTERS_HPP

#include <modules/outbox_admin/dead_letters.hpp>

#include <resilience/lane_position.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::modules::outbox_admin {

/// A key that the position of a lane holds as parked.
struct Parking {
    int lane = 0;
    ParkedKey parked;
};

/// How many events of a parking are in their topic, and which the last of them is.
struct Unparked {
    std::uint64_t written = 0;
    /// Empty: not known, as somebody wrote it by hand.
    std::string event;

    friend bool operator==(const Unparked&, const Unparked&) = default;
};

/// The key in @ref mark_topic under which it is noted how far the unparking of a parking
/// has come. Pure.
std::string unpark_mark_key(const std::string& outbox, const Parking& parking);

/// Which parking a mark is about, as far as its key tells: the lane and `since`.
struct MarkedParking {
    int lane = 0;
    std::uint64_t since = 0;

    friend auto operator<=>(const MarkedParking&, const MarkedParking&) = default;
};
/// None: it is no key of @ref unpark_mark_key. Pure.
std::optional<MarkedParking> marked_parking(
    const std::string& outbox, std::string_view key
);
/// Pure.
std::string encode(const Unparked& done);
/// None: it is something else. Pure.
std::optional<Unparked> decode_unparked(std::string_view text);

/** Puts the events of one parking, which come in any order, into the order of their
    numbers. Pure, in memory that is bounded by bytes.

    @par Thread safety
    None.
*/
class ParkedLetters {
public:
    /// @param done What was written before; it is not asked for again.
    /// @param most_bytes Of the keys, values and headers of events that wait for an
    ///     earlier one.
    ParkedLetters(Parking parking, Unparked done, std::size_t most_bytes);

    /** Takes a record of the topic of parked events, of whatever parking.

        @par Errors
        @li Errc::corrupt_data A number of the parking is there twice, or the last one
            that was written is another event.
        @li Errc::too_large Too much waits for an earlier event.
    */
    Result<void> add(resilience::kafka::Record record);

    /// Takes the events that follow the last one taken: none, if the next one was not
    /// added. Ends with the one that brings them to so many or so many bytes. One whose
    /// content is in its row alone is taken alone.
    std::vector<DeadLetter> take(std::size_t most, std::size_t bytes);

    /// The number of the event that would be taken next.
    std::uint64_t next() const noexcept { return next_; }

private:
    Parking parking_;
    Unparked done_;
    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t next_;
    std::map<std::uint64_t, DeadLetter> waiting_;
};

}  // namespace resilience::modules::outbox_admin

#endif
