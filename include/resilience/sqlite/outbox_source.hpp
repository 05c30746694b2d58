// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_OUTBOX_SOURCE_HPP
#define RESILIENCE_SQLITE_OUTBOX_SOURCE_HPP

#include <resilience/clock.hpp>
#include <resilience/relay.hpp>
#include <resilience/sqlite/database.hpp>
#include <resilience/uuid.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace resilience::sqlite {

/// Settings of an @ref OutboxSource.
struct OutboxSourceOptions {
    /// Written to `claimed_by`; no two sources may share one. Default: made at random.
    Uuid instance{};

    /// A claim ends after the row that brings the size of its contents to this number of
    /// bytes. Positive; default 16 MiB; must be well below
    /// @ref DatabaseOptions::max_result_bytes.
    std::size_t max_batch_bytes = 16 * 1024 * 1024;

    /// Rows of each state beyond which `depth` stops counting. At least 1; default
    /// 100,000.
    std::int64_t max_depth = 100'000;

    /// Tells the time that retries and stale claims are counted with: the file has no
    /// clock of its own, so all relays of one file need clocks that agree. Required;
    /// default the system's clock.
    std::function<WallClock::time_point()> now = &WallClock::now;
};

/** Claims events from the table `outbox_events`.

    Several sources, in one process or many, may work on one file. An event without a
    partition key is kept in order with others of its aggregate that have none.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    The database must outlive the source, and the source its operations.
*/
class OutboxSource final : public ClaimSource {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit OutboxSource(Database& database, OutboxSourceOptions options = {});
    ~OutboxSource() override;

    net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit) override;
    net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) override;
    net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds age
    ) override;
    net::awaitable<Result<Depth>> depth() override;
    net::awaitable<Result<Probe>> probe() override;
    void leave_out(std::vector<std::int64_t> rows) override;
    net::awaitable<Result<void>> give_up(std::int64_t row, std::string error) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::sqlite

#endif
