// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_OUTBOX_TABLE_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_OUTBOX_TABLE_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/clock.hpp>
#include <resilience/postgres/connection.hpp>
#include <resilience/postgres/rows.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/** The table `outbox_events`, as the commands ask it beside the library. All of their SQL
    is here.

    What concerns the whole table goes through it in the order of `seq`, in slices of
    Request::rows_at_once rows. Each slice is one statement, which finds its rows by an
    index, is a transaction of its own and must be done within `DB_TIMEOUT`: the time of
    all of them grows with the table, that of none does. The slice with the row that was
    the last when it began is the last one, however fast others write.

    @par Errors of each operation
    Those of the database.

    @par Thread safety
    None: one operation at a time.

    @par Object lifetimes
    The tools must outlive it.
*/
class OutboxTable {
public:
    explicit OutboxTable(const Tools& tools);

    /// Connects. Must come first.
    net::awaitable<Result<void>> open();

    /// Its connection, for what the library asks the server. After @ref open.
    resilience::postgres::Connection& connection() { return connection_; }

    /** The topics that the rows name and Kafka can have, ascending.

        No index has them: it goes through the whole table.
    */
    net::awaitable<Result<std::vector<std::string>>> topics();

    /// A `seq` below those of all rows that were created since then; that of the last row
    /// if there are none. Goes through the rows that are older.
    net::awaitable<Result<std::int64_t>> before(WallClock::time_point since);

    /// Rows whose transaction numbers this server has not given yet, or to a transaction
    /// that is in progress, although they are committed: those of another server.
    net::awaitable<Result<std::int64_t>> count_foreign_numbers();

    /** Gives such rows numbers of this server. Returns how many.

        It may be ended after any slice and called again: the rows that have a number of
        this server by then keep it, and those that need none never will. What a slice
        finds visible stays so, and a row that it renumbers is visible to each later
        snapshot. So a snapshot that is taken after the last slice shows all of them,
        whichever slice they were in (I3), in the order of `seq` (I5).

        No position may speak of the table under its present identity meanwhile: to a
        relay that reads it, a row that moves from one window to another would be there
        twice or never (I4), and I9 would be judged by a number that changes. @ref rebase
        has the lanes, and relays refuse positions of another source (I11) until it is
        done.
    */
    net::awaitable<Result<std::int64_t>> take_own_numbers();

    /** Moves the rows of lanes beyond so many to those that stay. Returns how many. May
        be ended and called again.

        They are moved in the order of an index, not of `seq`, and the order of a key does
        not depend on it: a row keeps its `seq` and its transaction number, and a lane is
        read by these (I3, I5), whenever a row came to it. What @ref change_lanes has
        found delivered is shown by the snapshot of the lane that it is moved to. What was
        written since, by a writer that was not ended, is moved with all others of its
        lane to one lane, where it is read in the order of `seq`.
    */
    net::awaitable<Result<std::int64_t>> move_to_lanes(int lanes);

    /// A transaction number that was given by now, and to nobody else.
    net::awaitable<Result<std::uint64_t>> new_number();

    /// Those of these events that no row has.
    net::awaitable<Result<std::vector<std::string>>> without_row(
        const std::vector<std::string>& events
    );

    /// What a row holds of an event.
    struct Content {
        std::string event_data;
        /// JSON.
        std::string headers;
    };
    /// None: there is no row of the event.
    net::awaitable<Result<std::optional<Content>>> content_of(const std::string& event);

private:
    // Runs a statement of one slice on all of them; `take` is told the rows of each, and
    // whether to go on is what it yields.
    net::awaitable<Result<void>> walk(
        const char* statement,
        std::optional<std::int64_t> more,
        std::function<Result<bool>(const resilience::postgres::Rows&)> take
    );
    net::awaitable<Result<std::int64_t>> add_up(const char* statement);

    resilience::postgres::Connection connection_;
    std::int64_t rows_at_once_;
};

}  // namespace resilience::modules::outbox_admin

#endif
