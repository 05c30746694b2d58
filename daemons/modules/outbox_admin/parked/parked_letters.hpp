// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_PARKED_LETTERS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_PARKED_LETTERS_HPP

#include <modules/outbox_admin/letters/dead_letters.hpp>

#include <resilience/lane_position.hpp>

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

/// Whether both are the same parking of a lane, whatever came to it meanwhile. Pure.
bool is_same(const ParkedKey& one, const ParkedKey& other);

/// How many events of a parking are in their topic, and which the last of them is.
struct Unparked {
    std::uint64_t written = 0;
    /// The last of them, and where it is put aside (`topic/partition/offset`). Empty: not
    /// known, as it was nowhere to be found.
    std::string event;
    std::string place;

    friend bool operator==(const Unparked&, const Unparked&) = default;
};

/// The key in @ref mark_topic under which it is noted how far the unparking of a parking
/// has come: that of no parking of another lane, topic, key or `since`. Pure.
std::string unpark_mark_key(const std::string& outbox, const Parking& parking);

/// Which parking a mark is about, without how many events it has. None: it is no key of
/// @ref unpark_mark_key. Pure.
std::optional<Parking> marked_parking(const std::string& outbox, std::string_view key);

/// Pure.
std::string encode(const Unparked& done);
/// None: it is something else. Pure.
std::optional<Unparked> decode_unparked(std::string_view text);

/// An event of a parking, and which of them it is.
struct ParkedLetter {
    /// From 1.
    std::uint64_t number = 0;
    DeadLetter letter;
};

/// None: the record is no event of the parking. Pure.
std::optional<ParkedLetter> parked_letter_of(
    const Parking& parking, resilience::kafka::Record record
);

/** Finds one event of a parking among the records of its topic, for a mark to be compared
    with it: after positions were lost another parking may have all of a mark's names.

    @par Thread safety
    None.
*/
class ParkedWitness {
public:
    /// @param number Of the event; from 1.
    ParkedWitness(Parking parking, std::uint64_t number);

    /// Takes a record of the topic of parked events, of whatever parking.
    void add(resilience::kafka::Record record);

    /** What a mark says of which this is the last event.

        @par Errors
        @li Errc::not_found There is no such event.
        @li Errc::corrupt_data There are several.
    */
    Result<Unparked> found() const;

private:
    Parking parking_;
    std::uint64_t number_;
    std::vector<Unparked> found_;
};

/** Compares a mark with what there is of the event that it names. Pure.

    @return The mark.

    @par Errors
    @li Those of @ref ParkedWitness::found.
    @li Errc::corrupt_data The mark speaks of another event.
*/
Result<Unparked> believed(const Unparked& mark, const Result<Unparked>& there);

/** Puts the events of one parking, which come in any order, into the order of their
    numbers. Pure, in memory that is bounded by bytes.

    @par Thread safety
    None.
*/
class ParkedLetters {
public:
    /// @param written How many were written before; they are not asked for again.
    /// @param most_bytes Of the keys, values and headers of events that wait for an
    ///     earlier one.
    ParkedLetters(Parking parking, std::uint64_t written, std::size_t most_bytes);

    /** Takes a record of the topic of parked events, of whatever parking.

        @par Errors
        @li Errc::corrupt_data A number of the parking is there twice.
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
    std::uint64_t written_;
    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t next_;
    std::map<std::uint64_t, DeadLetter> waiting_;
};

}  // namespace resilience::modules::outbox_admin

#endif
