// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_WINDOW_SOURCE_HPP
#define RESILIENCE_WINDOW_SOURCE_HPP

#include <resilience/asio/result.hpp>
#include <resilience/event.hpp>
#include <resilience/lane_position.hpp>

#include <boost/asio/awaitable.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience {

/// A place in the log that makes a source's commits durable; ascends.
struct Lsn {
    std::uint64_t value = 0;

    friend auto operator<=>(const Lsn&, const Lsn&) = default;
};

/// What was committed at one moment, and how much of it is on disk.
struct Window {
    /// Names the transactions that were over, as a text of the source's own.
    std::string snapshot;
    /// Everything that @ref snapshot shows was logged before this place.
    Lsn insert;
    /// The log is on the server's disk up to here.
    Lsn flushed;
};

/// Asks for the next rows of one lane: those visible in `window`, not in `seen`, with a
/// `seq` above `last_seq` (I3).
struct WindowSlice {
    int lane = 0;
    /// A snapshot that this source told before; all of its rows are delivered.
    std::string seen;
    /// A later snapshot, or the same.
    std::string window;
    /// 0: from the beginning of the window.
    std::int64_t last_seq = 0;
    /// Most rows. At least 1.
    std::size_t limit = 5000;
    /// The slice ends with the row that brings the stored size of the contents to this
    /// number of bytes; a content is stored in at most 64 bytes and 8 for each byte of
    /// its text. At least 1; default 4 MiB.
    std::size_t bytes = 4 * 1024 * 1024;
};

/// One row of a window.
struct WindowEvent {
    Event event;
    /// Place of the row in the table; ascends in the order of writing.
    std::int64_t seq = 0;
    /// What the source cannot make an event of, as `column: what is wrong`. Empty:
    /// nothing.
    std::string defect;
};

/** Where events come from when nothing is claimed: an outbox table whose rows never
    change, read through the windows between two snapshots.

    A reader begins at a snapshot of which all is delivered (`seen`), looks for a later
    one (`window`), and reads what the one shows and the other does not, in slices. When a
    slice is empty, or holds fewer rows than asked for and fewer bytes, the window is done
    and becomes `seen`.

    @par Contract (run by the contract suite on each implementation)
    @li I3: `read` yields rows of the lane that are visible in `window`, not in `seen`,
        with `seq > last_seq`, and leaves none out below the last that it yields.
    @li I4: the same slice yields the same rows in the same order whenever it is read, by
        whichever instance, also after a restart of the server.
    @li I5: rows ascend by `seq`. Where the writers of a key wait for one another, each
        writes a row of an earlier window than the next one's or of a smaller `seq`.
    @li I6: after `gate(window.insert)` has succeeded nothing that a crash of the server
        can do, or the loss of a standby that commits have to wait for, takes a row of
        that window back.
    @li I11: what does not continue the history that @ref identity told is refused by each
        operation with @ref Errc::history_changed, and so is a slice of snapshots that
        this history has not reached yet. Nothing is guessed.

    An event may leave only after its window has passed the gate. A reader may go on from
    a window that was empty without the gate, as long as it keeps that in memory: after
    any failed operation of the source, whoever's, it goes back to a position that passed.

    @par Errors of each operation
    @li Errc::history_changed See I11. Not until somebody has compared the table with what
        was delivered.
    @li Errc::bad_destination The table is not there, or is not made as needed. The detail
        says what to do.
    @li Errc::invalid_request The source cannot be read this way: it is a standby, for
        one. The detail says why.
    @li Retryable ones: the source is down or busy.

    @par Cancellation
    `terminal`. A gate that was cancelled has not been passed.

    @par Thread safety
    Operations of one object may overlap if they are started on one executor that runs one
    handler at a time.

    @par Object lifetimes
    The source, and what an operation is given by reference, must outlive the operation.
*/
class WindowSource {
public:
    virtual ~WindowSource() = default;

    /// Tells where the rows are, asking the server. From then on the source keeps to this
    /// history; a call that finds another fails with Errc::history_changed, as a
    /// comparison with @ref LanePosition::source would.
    virtual net::awaitable<Result<SourceIdentity>> identity() = 0;

    /// Takes a new window: what is committed now. The same snapshot as before means that
    /// nothing was committed since.
    virtual net::awaitable<Result<Window>> look() = 0;

    /** Waits until the log up to `lsn` cannot be lost (I6). Asks the server only when the
        last @ref look does not show it already.

        @par Errors
        @li Errc::timed_out_in_doubt It took too long; it may be tried again.
    */
    virtual net::awaitable<Result<void>> gate(Lsn lsn) = 0;

    /** Reads the next rows of a window; at least one unless there is none.

        A row with a @ref WindowEvent::defect is yielded like any other: it cannot be an
        event, and whoever reads decides what becomes of it.

        @par Errors
        @li Errc::invalid_request A field of the slice is out of range; the detail names
            it.
    */
    virtual net::awaitable<Result<std::vector<WindowEvent>>> read(const WindowSlice& slice
    ) = 0;
};

}  // namespace resilience

#endif
