// SPDX-License-Identifier: MIT
#include "window_rows.hpp"

#include "outbox_event.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace resilience::postgres {
namespace {

void append(Events& events, const Row& row) {
    auto read = read_event(row);
    events.push_back({std::move(read.event), read.seq, std::move(read.defect)});
}

}  // namespace

Result<Lsn> read_lsn(const Row& row, std::size_t column) {
    const auto bytes = row.int64(column);
    if (!bytes) return bytes.error();
    return Lsn{static_cast<std::uint64_t>(*bytes)};
}

void append(Events& events, const Rows& rows) {
    events.reserve(events.size() + rows.size());
    for (const auto row : rows) append(events, row);
}

Result<Sizes> append_summed(Events& events, const Rows& rows) {
    append(events, rows);
    Sizes sizes;
    for (const auto row : rows) {
        const auto sum = row.int64(told);
        if (!sum) return sum.error();
        const auto bytes = static_cast<std::size_t>(*sum);
        sizes.largest = std::max(sizes.largest, bytes - sizes.bytes);
        sizes.bytes = bytes;
    }
    return sizes;
}

Result<bool> append_light(Events& events, const Rows& rows, WindowSlice& slice) {
    events.reserve(events.size() + rows.size());
    for (const auto row : rows) {
        if (row.is_null(told)) return false;
        const auto bytes = row.int64(told);
        if (!bytes) return bytes.error();
        append(events, row);
        slice.last_seq = events.back().seq;
        slice.bytes -= static_cast<std::size_t>(*bytes);
        --slice.limit;
    }
    return true;
}

}  // namespace resilience::postgres
