// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_MIGRATIONS_SCHEMA_HPP
#define RESILIENCE_MODULES_MIGRATIONS_SCHEMA_HPP

#include <modules/migrations/migration.hpp>
#include <modules/migrations/waits.hpp>

#include <resilience/asio/result.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace resilience::postgres {
class Pool;
}
namespace resilience::sqlite {
class Database;
}

namespace resilience::modules::migrations {

/** Keeps the schema of one database.

    Each step is one transaction that first takes a lock, so a second runner waits for the
    first, and `up` then finds nothing to do; a step that fails or is killed leaves
   nothing.

    @par Errors
    @li Errc::timed_out Another runner held the lock for longer than @ref Waits::lock, a
        statement took longer than @ref Waits::statement. The detail says which.
    @li Errc::serialization_conflict Others used a table for longer than @ref Waits::lock.
    @li Those of the database, and of @ref next_up.

    @par Object lifetimes
    The database must outlive it.
*/
class Schema {
public:
    /// Called after each change that was applied or taken back.
    using Progress = std::function<void(const Migration&)>;

    virtual ~Schema() = default;

    /// Applies all changes that are missing. @return How many.
    net::awaitable<Result<int>> up(Progress progress = {});

    /// Takes the last change back. @return 1, or 0 when nothing was applied.
    net::awaitable<Result<int>> down(Progress progress = {});

    /// What is applied; empty before the first `up`.
    virtual net::awaitable<Result<std::vector<Applied>>> applied() = 0;

    /// The changes that the program carries for this database.
    virtual std::span<const Migration> known() const noexcept = 0;

protected:
    enum class Direction : std::uint8_t { up, down };

    /// Takes the lock, decides and performs one step; null when there is none.
    virtual net::awaitable<Result<const Migration*>> step(Direction direction) = 0;
};

/// @param waits The connections of the pool must wait for longer.
std::unique_ptr<Schema> schema_of(postgres::Pool& pool, Waits waits = {});

/// Waits as the options of the database say.
std::unique_ptr<Schema> schema_of(sqlite::Database& database);

}  // namespace resilience::modules::migrations

#endif
