// SPDX-License-Identifier: MIT
#include <modules/migrations/migration.hpp>

#include <algorithm>

namespace resilience::modules::migrations {
namespace {

const Migration* find(std::span<const Migration> known, int version) {
    const auto at = std::ranges::find(known, version, &Migration::version);
    return at == known.end() ? nullptr : &*at;
}

// The applied changes must be exactly the first of the known ones, unchanged.
Result<void> check(std::span<const Migration> known, std::span<const Applied> applied) {
    for (const auto& row : applied) {
        const auto* migration = find(known, row.version);
        const std::string which = std::to_string(row.version) + " (" + row.name + ")";
        if (migration == nullptr) {
            return fail(
                Errc::corrupt_data,
                "migration " + which +
                    " was applied by a newer program; use that program's version or newer"
            );
        }
        if (migration->checksum != row.checksum) {
            return fail(
                Errc::corrupt_data,
                "migration " + which +
                    " was changed after it was applied; restore the file and write the "
                    "change as a new migration"
            );
        }
    }
    return {};
}

}  // namespace

Result<const Migration*> next_up(
    std::span<const Migration> known, std::span<const Applied> applied
) {
    if (auto checked = check(known, applied); !checked) return checked.error();
    for (const auto& migration : known) {
        if (std::ranges::find(applied, migration.version, &Applied::version) ==
            applied.end()) {
            return &migration;
        }
    }
    return nullptr;
}

Result<const Migration*> next_down(
    std::span<const Migration> known, std::span<const Applied> applied
) {
    if (auto checked = check(known, applied); !checked) return checked.error();
    const auto last = std::ranges::max_element(applied, {}, &Applied::version);
    if (last == applied.end()) return nullptr;
    return find(known, last->version);
}

std::vector<std::string> statements(std::string_view sql) {
    std::vector<std::string> all;
    std::string current;
    while (!sql.empty()) {
        const auto end = std::min(sql.find('\n'), sql.size());
        auto line = sql.substr(0, end);
        sql.remove_prefix(std::min(end + 1, sql.size()));
        while (!line.empty() && (line.back() == ' ' || line.back() == '\r'))
            line.remove_suffix(1);
        const auto text = line.find_first_not_of(' ');
        if (text == std::string_view::npos || line.substr(text).starts_with("--"))
            continue;
        if (!current.empty()) current += '\n';
        current.append(line);
        if (line.ends_with(';')) {
            current.pop_back();
            all.push_back(std::move(current));
            current.clear();
        }
    }
    if (!current.empty()) all.push_back(std::move(current));
    return all;
}

}  // namespace resilience::modules::migrations
