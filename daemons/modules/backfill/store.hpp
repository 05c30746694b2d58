// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_STORE_HPP
#define RESILIENCE_MODULES_BACKFILL_STORE_HPP

#include <modules/backfill/request.hpp>
#include <modules/backfill/run.hpp>
#include <modules/backfill/summary.hpp>

#include <resilience/asio/result.hpp>
#include <resilience/outbox.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience::modules::backing {
class Database;
}

namespace resilience::modules::backfill {

/// The runs and the outbox, inside one transaction.
class Tables {
public:
    virtual ~Tables() = default;

    /// The run of this fingerprint that has not finished. Other processes wait for it
    /// until the transaction ends.
    virtual net::awaitable<Result<std::optional<Run>>> find_run(std::string request) = 0;

    /// Begins a run that ends where the outbox ends now; does nothing when another
    /// process has just begun it.
    virtual net::awaitable<Result<void>> insert_run(std::string request) = 0;

    /// Where a stretch of `rows` numbers ends that begins with the next row after
    /// `after`, whatever that row is; `max_seq` at most, and without such a row. Its cost
    /// depends on nothing.
    virtual net::awaitable<Result<std::int64_t>> look_ahead(
        std::int64_t after, std::int64_t max_seq, std::int64_t rows
    ) = 0;

    /// Rows of a range that the request asks for, oldest first, `wanted` at most. Copies
    /// are not among them.
    virtual net::awaitable<Result<std::vector<PastEvent>>> select_events(
        Range range, Request request, std::int64_t wanted
    ) = 0;

    virtual net::awaitable<Result<void>> append(OutboxRow row) = 0;

    /// Writes where the run stands, and whether it has finished.
    virtual net::awaitable<Result<void>> save_run(Run run, bool finished) = 0;
};

/** What a backfill needs of a database.

    @par Errors
    Those of the database.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class Store {
public:
    virtual ~Store() = default;

    using Work = std::function<net::awaitable<Result<Chunk>>(Tables&)>;

    /// Runs `work` in a transaction and commits unless it failed. What it did outside of
    /// the tables stands even so: it must do nothing there.
    virtual net::awaitable<Result<Chunk>> in_transaction(Work work) = 0;

    /// What a run of this request would write, by event type. Looks at the rows in
    /// ranges of @ref Request::scan rows, each with a statement of its own.
    virtual net::awaitable<Result<std::vector<Summary>>> summarise(Request request) = 0;
};

/// Makes the store for the database that a program uses, which must outlive it.
std::unique_ptr<Store> make_store(backing::Database& database);

}  // namespace resilience::modules::backfill

#endif
