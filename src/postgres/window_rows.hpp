// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_WINDOW_ROWS_HPP
#define RESILIENCE_SRC_POSTGRES_WINDOW_ROWS_HPP

#include <resilience/postgres/rows.hpp>
#include <resilience/window_source.hpp>

#include <cstddef>
#include <vector>

namespace resilience::postgres {

using Events = std::vector<WindowEvent>;

/// The column behind those that read_event() takes: what a statement tells of the window.
inline constexpr std::size_t told = 12;

/// A place in the log, which the statements tell as a number of bytes.
Result<Lsn> read_lsn(const Row& row, std::size_t column);

/// Adds the rows that a statement for windows returned.
void append(Events& events, const Rows& rows);

/// What rows of a window take, as they are stored.
struct Sizes {
    std::size_t bytes = 0;
    std::size_t largest = 0;
};

/// Adds the rows that `window_in_order` returned.
/// @par Errors
/// @li Errc::corrupt_data The server sent something else than sizes.
Result<Sizes> append_summed(Events& events, const Rows& rows);

/** Adds the rows that `window_light` returned and takes them off the slice, down to the
    first whose content is larger than its share.

    @return Whether there was none of these.

    @par Errors
    @li Errc::corrupt_data The server sent something else than sizes.
*/
Result<bool> append_light(Events& events, const Rows& rows, WindowSlice& slice);

}  // namespace resilience::postgres

#endif
