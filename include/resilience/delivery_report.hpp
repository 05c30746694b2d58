// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DELIVERY_REPORT_HPP
#define RESILIENCE_DELIVERY_REPORT_HPP

#include <resilience/clock.hpp>
#include <resilience/delivered_rows.hpp>
#include <resilience/lane_relay.hpp>
#include <resilience/retry_policy.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resilience {

/// Settings of a @ref DeliveryReport.
struct DeliveryReportOptions {
    /// Whether delivered rows become SENT, and dead letters FAILED. Default true.
    bool report = true;

    /// Age, counted from `created_at`, at which delivered rows are removed. None: they
    /// stay. Zero: as soon as they are delivered, instead of being reported. At most
    /// 100 years; default none.
    std::optional<std::chrono::milliseconds> retention = std::nullopt;

    /// Rows that one statement reports. 1 to 5,000; default 5,000.
    std::size_t batch = 5000;

    /// Rows that one statement looks at to remove some. 1 to 5,000; default 5,000.
    std::size_t removal_batch = 5000;

    /// Most rows changed in a second. At least 1; default 200,000, more than a server
    /// writes: the share of the time decides.
    std::uint32_t rows_per_second = 200'000;

    /// Most rows removed in a second. At least 1; default 25,000.
    std::uint32_t removals_per_second = 25'000;

    /// Most of the time that is spent in statements while events are being delivered, in
    /// percent. 1 to 100; default 50. Once no chunk was told of for @ref interval, all of
    /// it is.
    std::uint32_t busy_percent = 50;

    /// Shortest time from the begin of one round of reports to the next, so that events
    /// that come one by one are reported many at once. At least 1 ms; default 250 ms.
    std::chrono::milliseconds interval{250};

    /// Time between two looks for rows that have become old. At least 1 ms; default 10 s.
    std::chrono::milliseconds sweep_interval{10'000};

    /// How often such a look begins at the first row of the table instead of where the
    /// last one found the first that stays: a transaction that was open for long may have
    /// left rows before that. At least 1 ms; default 10 min.
    std::chrono::milliseconds full_sweep_interval{600'000};

    /// Most dead letters that wait to be reported. 1 to 1,000,000; default 10,000. What
    /// comes above is shown as SENT and counted.
    std::size_t max_dead_letters = 10'000;

    /// Most lanes. 1 to 32,768; default 1,024.
    std::size_t max_lanes = 1024;

    /// Pauses while the table cannot be written. `attempts` is not used.
    RetryOptions pause{
        .base = std::chrono::milliseconds{100}, .cap = std::chrono::seconds{5}};

    /// Seed of the jitter; 0 takes one from the system.
    std::uint64_t seed = 0;
};

/// The state of a @ref DeliveryReport at one moment; counters ascend for ever.
struct DeliveryReportSnapshot {
    /// Rows that have become SENT.
    std::uint64_t reported = 0;
    /// Dead letters that were written to their rows, and those that were not: there were
    /// too many, or their lane has come to follow another history (I11).
    std::uint64_t failed = 0;
    std::uint64_t dropped_dead_letters = 0;
    /// Rows that were removed.
    std::uint64_t removed = 0;
    /// Rows shown FAILED that are old enough to go and stay, as the last look told that
    /// began at the first row. 0 where nothing is removed by age.
    std::uint64_t failed_rows = 0;
    /// Rows that the table refused to change; they stay as they are.
    std::uint64_t refused = 0;
    /// Why the last one was; empty when none ever was.
    std::string refusal;
    /// Times that all unreported rows were looked at, because it is not known which were
    /// delivered since the last time.
    std::uint64_t recoveries = 0;
    /// Whether everything told is written.
    bool caught_up = true;
    /// Everything told before this moment is written, but for rows that somebody had
    /// locked. None: everything is.
    std::optional<TimePoint> behind_since;
    std::uint64_t pauses = 0;
    /// True while the table cannot be written; @ref reason says why.
    bool paused = false;
    std::string reason;
};

/** Writes behind the lanes of exactly-once delivery what became of the rows: SENT and
    FAILED for whoever looks at the table, and removal once they are old.

    Nothing of it is ever read back, and nothing waits for it: what was delivered stands
    in the positions alone (I1). It is told each committed chunk and keeps of it where the
    rows are, not which: a stretch of `seq` for all lanes together and the last position
    of each, so it takes the same memory however far it is behind. Rows of the stretch
    that the positions show as delivered are reported in bulk, at a bounded pace. Where a
    chunk was missed, as after a restart, all rows that are still NEW are looked at once.

    A dead letter whose owner ended before it was written is shown as SENT; the topic of
    dead letters tells.

    Removal takes rows that are visible in the `seen` of their lane (I9), so with a
    retention of zero those of a window go when the position after it is committed. Rows
    of lanes that this object is not told of stay, and so do those shown FAILED, whatever
    their age: what failed before the lane was delivered exactly once has its only copy
    there, and of a dead letter it is the reason that is left.

    @par Thread safety
    Safe. `run`: once at a time. The executor may have many threads: `rows` is called on a
    strand, one operation at a time.

    @par Object lifetimes
    `rows` must outlive the report, the report must outlive `run`.
*/
class DeliveryReport {
public:
    /// @throws std::invalid_argument Names the option that is out of range.
    DeliveryReport(
        net::any_io_executor executor,
        DeliveredRows& rows,
        DeliveryReportOptions options = {}
    );
    ~DeliveryReport();
    DeliveryReport(const DeliveryReport&) = delete;
    DeliveryReport& operator=(const DeliveryReport&) = delete;

    /** Takes note of a committed chunk. Never waits.

        @param events The rows of the chunk, ascending by `seq`.
        @param position What was committed with them.
        @param dead_letters Those of the rows whose dead letters were delivered.

        What is no later than what is known of the lane is ignored. More lanes than
        DeliveryReportOptions::max_lanes are not dealt with.
    */
    void delivered(
        int lane,
        std::span<const WindowEvent> events,
        const LanePosition& position,
        std::span<const DeadLetteredRow> dead_letters = {}
    );

    /// Takes note of a position that was read back when a lane was taken over, also of an
    /// earlier one than is known. Never waits.
    void found(int lane, const LanePosition& position);

    /** Reports and removes until @ref stop, then completes after the statement in hand.

        What is left then is found by the next one that is told of the lane.
    */
    net::awaitable<void> run();

    /// Lets @ref run complete. Never waits.
    void stop();

    DeliveryReportSnapshot snapshot() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/** Makes the observer of a @ref LaneRelay that tells a report all that it needs, and then
    `next`.

    @par Object lifetimes
    The report must outlive the relay.
*/
LaneRelayObserver report_deliveries(
    DeliveryReport& report, int lane, LaneRelayObserver next = {}
);

}  // namespace resilience

#endif
