// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_MIGRATIONS_MIGRATION_HPP
#define RESILIENCE_MODULES_MIGRATIONS_MIGRATION_HPP

#include <resilience/asio/result.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::modules::migrations {

/// One numbered change of the schema and its way back.
struct Migration {
    int version;
    std::string_view name;
    std::string_view up;
    std::string_view down;
    /// SHA-256 of the up file, in hexadecimal.
    std::string_view checksum;
};

/// What `schema_migrations` says of one change.
struct Applied {
    int version = 0;
    std::string name;
    std::string checksum;
    /// When it was applied, as the database writes it.
    std::string applied_at;
};

/// The changes that the program carries for PostgreSQL, by ascending version.
std::span<const Migration> postgres_migrations() noexcept;
/// The changes that the program carries for SQLite, by ascending version.
std::span<const Migration> sqlite_migrations() noexcept;

/** The next change to apply, or null when all are.

    @par Errors
    @li Errc::corrupt_data An applied file was changed afterwards (its checksum differs),
   or the database knows a version that this program does not. The detail says which and
        what to do.
*/
Result<const Migration*> next_up(
    std::span<const Migration> known, std::span<const Applied> applied
);

/// The change to take back, which is the last applied one, or null when none is. Errors
/// as
/// @ref next_up.
Result<const Migration*> next_down(
    std::span<const Migration> known, std::span<const Applied> applied
);

/** Splits a file into its statements.

    A statement ends with a semicolon at the end of a line; lines that begin with `--` are
    left out. Files of this project keep to that form.
*/
std::vector<std::string> statements(std::string_view sql);

}  // namespace resilience::modules::migrations

#endif
