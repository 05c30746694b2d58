// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_CHUNK_LAW_HPP
#define RESILIENCE_DETAIL_CHUNK_LAW_HPP

#include <algorithm>
#include <cstddef>

namespace resilience::detail {

/** How many rows the next chunk of a lane may have.

    Each chunk takes what is there, up to the most: one row when idle, all of them in a
    backlog. It is made smaller only when a destination refuses several events together
    and blames none, until it takes them, and grows again from there.
*/
struct ChunkLaw {
    std::size_t most = 1;
    std::size_t rows = 1;

    static constexpr ChunkLaw make(std::size_t most) noexcept { return {most, most}; }

    constexpr void on_committed() noexcept { rows = rows > most / 2 ? most : rows * 2; }

    /// The chunk that was refused had so many events.
    constexpr void on_refused(std::size_t events) noexcept {
        rows = std::clamp<std::size_t>(events / 2, 1, most);
    }
};

/// A stored content is at most so many times as large as its text, and so many bytes
/// more: a number of one digit in a JSON array is three characters and twelve bytes.
inline constexpr std::size_t stored_per_byte = 8;
inline constexpr std::size_t stored_per_row = 64;

/** Whether a slice was certainly the last of its window: it has fewer rows than were
    asked for, and did not end for its bytes.

    @param text The contents' size as text; the source counts them as they are stored.
*/
constexpr bool ends_window(
    std::size_t rows, std::size_t text, std::size_t most_rows, std::size_t most_bytes
) noexcept {
    if (rows == 0) return true;
    return rows < most_rows &&
           text * stored_per_byte + rows * stored_per_row < most_bytes;
}

}  // namespace resilience::detail

#endif
