// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_WINDOW_READER_HPP
#define RESILIENCE_SRC_POSTGRES_WINDOW_READER_HPP

#include "window_rows.hpp"

#include <resilience/asio/result.hpp>
#include <resilience/postgres/connection.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace resilience::postgres {

/** Reads slices of windows, each by the statement that costs least for a window of its
    size, which it learns of each lane while it reads.

    @par Thread safety
    None; slices of different lanes may be read at the same time on one strand.

    @par Object lifetimes
    It and the slice must outlive each operation.
*/
class WindowReader {
public:
    /// Runs a statement on a connection that follows the history.
    using Ask = std::function<net::awaitable<Result<Rows>>(Statement)>;

    /// @param most_sorted OutboxWindowSourceOptions::most_sorted.
    WindowReader(std::int64_t most_sorted, Ask ask);

    /** The rows of the slice, in the order of `seq` (I3, I5).

        @par Errors
        @li Errc::corrupt_data The server sent something else than was asked for.
        @li Those of the statements.
    */
    net::awaitable<Result<Events>> read(const WindowSlice& slice);

private:
    // The window of a lane that is too large to be sorted.
    struct Large {
        std::string seen;
        std::string window;
        // How many rows it has, as far as they were counted, and a seq that none is
        // above; 0 until it has been necessary to know.
        std::int64_t rows = 0;
        std::int64_t last = 0;
    };

    bool is_large(const WindowSlice& slice) const;
    net::awaitable<Result<std::optional<Events>>> read_sorted(const WindowSlice& slice);
    net::awaitable<Result<Events>> read_large(const WindowSlice& slice);
    net::awaitable<Result<bool>> walk(
        WindowSlice& slice, std::int64_t end, Events& events
    );
    net::awaitable<Result<Large>> measure(const WindowSlice& slice, std::int64_t most);

    std::int64_t most_sorted_;
    Ask ask_;
    std::map<int, Large> large_;
    // Lanes of whose last rows one had more than its share of the bytes.
    std::set<int> heavy_;
};

}  // namespace resilience::postgres

#endif
