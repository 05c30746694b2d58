// SPDX-License-Identifier: MIT
#include "window_reader.hpp"

#include "outbox_sql.hpp"
#include "snapshot_text.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::postgres {
namespace {

constexpr auto no_seq = std::numeric_limits<std::int64_t>::max();
// Larger windows, in multiples of `most_sorted`, are never gone through in one statement.
constexpr std::int64_t most_picked = 50;

std::vector<Parameter> window_values(const WindowSlice& slice) {
    return parameters(
        slice.lane,
        slice.seen.empty() ? first_snapshot : std::string_view{slice.seen},
        slice.window,
        slice.last_seq
    );
}

template <class... More>
Statement statement(const char* text, const WindowSlice& slice, const More&... more) {
    auto values = window_values(slice);
    values.emplace_back(slice.bytes);
    values.emplace_back(slice.limit);
    (values.emplace_back(more), ...);
    return {std::string{text}, std::move(values)};
}

}  // namespace

WindowReader::WindowReader(std::int64_t most_sorted, Ask ask)
    : most_sorted_(most_sorted), ask_(std::move(ask)) {}

net::awaitable<Result<Events>> WindowReader::read(const WindowSlice& slice) {
    if (!is_large(slice)) {
        large_.erase(slice.lane);
        auto sorted = co_await read_sorted(slice);
        if (!sorted) co_return std::move(sorted).error();
        if (*sorted) co_return std::move(**sorted);
        large_[slice.lane] = {slice.seen, slice.window};
    }
    auto events = co_await read_large(slice);
    co_return events;
}

bool WindowReader::is_large(const WindowSlice& slice) const {
    const auto at = large_.find(slice.lane);
    return at != large_.end() && at->second.seen == slice.seen &&
           at->second.window == slice.window;
}

// A slice of a window that can be sorted; nothing when the window is too large.
net::awaitable<Result<std::optional<Events>>> WindowReader::read_sorted(
    const WindowSlice& slice
) {
    const auto rows = co_await ask_(statement(sql::window_sorted, slice, most_sorted_));
    if (!rows) co_return rows.error();
    if (!rows->empty()) {
        const auto found = (*rows)[0].int64(told);
        if (!found) co_return found.error();
        if (*found > most_sorted_) co_return std::nullopt;
    }
    Events events;
    append(events, *rows);
    co_return std::move(events);
}

// A slice of a large window. Goes through the table by seq, but at first no further
// than the window is large: between its rows there may be a hundred times as much.
net::awaitable<Result<Events>> WindowReader::read_large(const WindowSlice& slice) {
    Events events;
    Large known = large_[slice.lane];
    const std::int64_t most = most_picked * most_sorted_;
    WindowSlice rest = slice;
    while (known.last == 0 || rest.last_seq < known.last) {
        auto end = known.last == 0 ? no_seq : known.last;
        // Before the first delivery nothing of the lane is outside the window.
        if (!slice.seen.empty()) {
            const auto stretch = std::max(most_sorted_, known.rows);
            end = rest.last_seq + std::min(stretch, end - rest.last_seq);
        }
        const auto full = co_await walk(rest, end, events);
        if (!full) co_return full.error();
        if (*full || end == no_seq) break;
        if (known.last == 0) {
            const auto extent = co_await measure(rest, most);
            if (!extent) co_return extent.error();
            known = *extent;
            large_[slice.lane] = known;
        }
        if (known.rows > most || rest.last_seq >= known.last) continue;
        const auto rows = co_await ask_(statement(sql::window_picked, rest));
        if (!rows) co_return rows.error();
        append(events, *rows);
        break;
    }
    co_return std::move(events);
}

// Adds the rows of the slice up to the seq `end`, and takes them off the slice. Tells
// whether that has filled it.
net::awaitable<Result<bool>> WindowReader::walk(
    WindowSlice& slice, std::int64_t end, Events& events
) {
    if (!heavy_.contains(slice.lane)) {
        const auto rows = co_await ask_(statement(sql::window_light, slice, end));
        if (!rows) co_return rows.error();
        const auto all = append_light(events, *rows, slice);
        if (!all) co_return all.error();
        if (*all) {
            slice.last_seq = end;
            co_return slice.limit == 0;
        }
    }
    const auto rows = co_await ask_(statement(sql::window_in_order, slice, end));
    if (!rows) co_return rows.error();
    const auto added = append_summed(events, *rows);
    if (!added) co_return added.error();
    const bool is_light = added->largest <= slice.bytes / slice.limit;
    if (is_light) heavy_.erase(slice.lane);
    if (!is_light) heavy_.insert(slice.lane);
    slice.last_seq = end;
    if (rows->size() == slice.limit || added->bytes >= slice.bytes) co_return true;
    slice.limit -= rows->size();
    slice.bytes -= added->bytes;
    co_return false;
}

// What there is of a large window above the slice's last seq.
net::awaitable<Result<WindowReader::Large>> WindowReader::measure(
    const WindowSlice& slice, std::int64_t most
) {
    auto values = window_values(slice);
    values.emplace_back(most + 1);
    Statement extent{sql::window_extent, std::move(values)};
    const auto rows = co_await ask_(std::move(extent));
    if (!rows) co_return rows.error();
    const auto count = (*rows)[0].int64(0);
    if (!count) co_return count.error();
    const auto last = (*rows)[0].int64(*count > most ? 2 : 1);
    if (!last) co_return last.error();
    co_return Large{slice.seen, slice.window, *count, std::max(*last, slice.last_seq)};
}

}  // namespace resilience::postgres
