// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_OUTBOX_SOURCE_HPP
#define RESILIENCE_POSTGRES_OUTBOX_SOURCE_HPP

#include <resilience/postgres/pool.hpp>
#include <resilience/relay.hpp>
#include <resilience/uuid.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace resilience::postgres {

/// Settings of an @ref OutboxSource.
struct OutboxSourceOptions {
    /// Written to `claimed_by`; no two sources may share one. Default: made at random.
    Uuid instance{};

    /// A claim ends after the row that brings the stored size of its contents to this
    /// number of bytes. Positive; default 64 MiB. What TOAST has compressed counts as
    /// compressed.
    std::size_t max_batch_bytes = 64 * 1024 * 1024;

    /// Rows of each state beyond which `depth` stops counting. At least 1; default
    /// 100,000.
    std::int64_t max_depth = 100'000;
};

/** Claims events from the table `outbox_events` of the connection's search path.

    The server's clock decides what is due. Several sources, in one process or many, may
    work on one table.

    @par Thread safety
    Distinct objects: safe. Shared objects: one operation at a time.

    @par Object lifetimes
    The pool must outlive the source, and the source its operations.
*/
class OutboxSource final : public ClaimSource {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    explicit OutboxSource(Pool& pool, OutboxSourceOptions options = {});
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

}  // namespace resilience::postgres

#endif
