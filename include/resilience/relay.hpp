// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RELAY_HPP
#define RESILIENCE_RELAY_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/event.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resilience {

/// A row that a relay holds: it is PROCESSING and this relay's until it is settled.
struct ClaimedEvent {
    Event event;
    /// Place of the row in the table; ascends in the order of writing.
    std::int64_t seq = 0;
    /// Deliveries that failed before this one.
    std::int32_t retry_count = 0;
    /// What the source cannot make an event of, as `column: what is wrong`. Empty:
    /// nothing.
    std::string defect;
};

/// What became of a claimed row.
enum class Disposition : std::uint8_t {
    /// Delivered: the row becomes SENT.
    sent,
    /// The delivery failed: the row becomes NEW again and waits @ref Settlement::delay.
    retry,
    /// No delivery is left: the row becomes FAILED.
    failed,
    /// Not tried, or the destination was down: NEW again, nothing is counted.
    released
};

/// The verdict on one claimed row.
struct Settlement {
    std::int64_t seq = 0;
    Disposition disposition = Disposition::released;
    /// How long a `retry` waits. Zero or more.
    std::chrono::nanoseconds delay{0};
    /// Written to `error_message` by `retry` and `failed`.
    std::string error;
};

/** Where events come from when rows are claimed: an outbox table.

    @par Contract (run by the contract suite on each implementation)
    @li `claim` changes NEW rows that are due to PROCESSING and returns them by ascending
        `seq`. A row is returned to one relay alone. While an earlier row of a key is
        PROCESSING or waits for its retry, no later row of that key is returned.
    @li `settle` applies all verdicts in one transaction. A row that is no longer this
        relay's (it was reset as stale) is left alone.
    @li `reset_stale` makes rows NEW again that have been PROCESSING for longer than
        `age`, whoever claimed them, and counts nothing.
    @li `depth` counts rows that are NEW or PROCESSING, and the age of the oldest.

    A source applies a call to all its rows or to none, so one row that the table refuses
    makes the whole call fail (@ref blames_rows). `reset_stale` then frees the others by
    itself; the relay isolates the row that a `claim` or a `settle` fails of:
    @li `probe` tries what `claim(1)` would do, and takes it back.
    @li `leave_out` makes `claim` and `probe` pass over these rows and over all rows of
        their keys. Each call replaces what the one before it said.
    @li `give_up` makes a NEW row FAILED without reading its content.
*/
class ClaimSource {
public:
    /// What a @ref probe found.
    struct Probe {
        /// The row that was tried; none when none is due.
        std::optional<std::int64_t> seq;
        /// Why the table refused it; none when it did not.
        std::optional<Failure> refusal;
    };

    struct Depth {
        std::int64_t events = 0;
        std::chrono::milliseconds oldest{0};
    };

    virtual ~ClaimSource() = default;
    virtual net::awaitable<Result<std::vector<ClaimedEvent>>> claim(std::size_t limit
    ) = 0;
    virtual net::awaitable<Result<void>> settle(std::vector<Settlement> settlements) = 0;
    virtual net::awaitable<Result<std::int64_t>> reset_stale(std::chrono::milliseconds age
    ) = 0;
    virtual net::awaitable<Result<Depth>> depth() = 0;
    virtual net::awaitable<Result<Probe>> probe() = 0;
    virtual void leave_out(std::vector<std::int64_t> rows) = 0;
    virtual net::awaitable<Result<void>> give_up(std::int64_t row, std::string error) = 0;
};

/// Tells whether a source may have failed because of a row, not because it is down: it is
/// neither worth trying again nor the end of the operation, nor is a table missing.
bool blames_rows(const Failure& failure) noexcept;

/** Where events go: Kafka, a file.

    @par Contract
    @li `deliver` completes with one result for each event, in the order given; an event
        whose result is good is durable at the destination.
    @li Events of one key are delivered in order: after one of a key fails, later ones of
        that key are not delivered by this call and carry @ref Errc::cancelled.
    @li A result that @ref is_retryable speaks of the destination, not of the event.
*/
class EventSink {
public:
    virtual ~EventSink() = default;
    virtual net::awaitable<std::vector<Result<void>>> deliver(
        std::span<const ClaimedEvent> events
    ) = 0;
};

/// Settings of a @ref Relay.
struct RelayOptions {
    /// Rows claimed at once. 1 to 10,000; default 100 (M15).
    std::size_t batch_size = 100;

    /// Longest wait between two looks at an idle table. At least 1 ms; default 5 s (M15).
    /// The wait starts at 1 ms and grows by a fiftieth while nothing is found, so that an
    /// event waits for about a fiftieth of the pause before it, at most.
    std::chrono::milliseconds poll_interval{5000};

    /// After this time a PROCESSING row counts as abandoned. At least 1 s; default 60 s;
    /// must be longer than a delivery can take.
    std::chrono::milliseconds stale_after{60000};

    /// Waits of a row whose delivery failed. `attempts` is not used: the row's
    /// `max_retries` decides.
    /// Default 1 s doubling to 5 min, half of each wait random.
    RetryOptions retry{
        .base = std::chrono::seconds{1},
        .cap = std::chrono::minutes{5},
        .jitter = Jitter::equal};

    /// Pauses while source or sink is down. `attempts` is not used: a relay never gives
    /// up.
    RetryOptions pause{
        .base = std::chrono::milliseconds{100}, .cap = std::chrono::seconds{5}};

    /// Seed of the jitter; 0 takes one from the system.
    std::uint64_t seed = 0;

    /// The clock of the sweeps and of @ref RelaySnapshot::paused_since. Default
    /// `Clock::now`.
    std::function<TimePoint()> now = [] { return Clock::now(); };
};

/// The state of a @ref Relay at one moment; counters ascend for ever.
struct RelaySnapshot {
    std::uint64_t claimed = 0;
    std::uint64_t sent = 0;
    std::uint64_t retried = 0;
    std::uint64_t failed = 0;
    std::uint64_t released = 0;
    /// Rows that the table refused to settle or to claim and that could not become
    /// FAILED. They and their keys wait: for @ref RelayOptions::stale_after when they
    /// were claimed, else for a quarter of it.
    std::uint64_t skipped = 0;
    std::uint64_t stale_reset = 0;
    std::uint64_t pauses = 0;
    /// True while source or sink is down; @ref reason says why.
    bool paused = false;
    /// Since when it is paused, if it is.
    TimePoint paused_since{};
    std::string reason;
    /// Why the table last refused a row; empty when it never did.
    std::string refusal;
    /// Events that wait, and how long the oldest has, when last looked at.
    ClaimSource::Depth depth;
};

/** Decides what becomes of one row after its delivery. Pure.

    @param result What the sink said of it.
    @param policy The waits of a failed row.
    @param random Uniform random bits for the jitter.
*/
Settlement settle_delivery(
    const ClaimedEvent& event,
    const Result<void>& result,
    const RetryPolicy& policy,
    std::uint64_t random
);

/** Says why a row is never delivered, whatever the destination: a foreign writer left out
    what every event has, or wrote what its source cannot read. Pure.

    @return Errc::invalid_request with a detail that names the column; none for a row that
        a sink may judge.
*/
std::optional<Failure> find_defect(const ClaimedEvent& event);

/** Moves events from a source to a sink: at least once, in order for each key.

    Claims a batch, delivers it, settles it, and waits when there is nothing to do. While
    the sink or the source is down it pauses with growing waits and counts nothing against
    the events. Several relays may work on one table, each with its own source.

    A verdict that the source does not take is kept and tried again until it does, and
    nothing is claimed or reset as stale before: the relay never takes a row that it holds
    itself for abandoned. A row that another relay reset meanwhile is left to that one.

    An event comes twice if its relay ended between delivery and verdict, if the delivery
    was in doubt (the sink gave no answer in its time), or if its verdict was not written
    for longer than @ref RelayOptions::stale_after and another relay reset the row. That
    is one batch at most each time.

    @par Thread safety
    `stop`, `wake` and `snapshot`: safe. `run` and `run_once`: from any thread, one of
    them at a time. The executor may have many threads: the relay has a strand of its own
    on it, where it calls the source, the sink and the observer, one at a time.

    @par Object lifetimes
    Source and sink must outlive the relay. The relay must outlive `run`.
*/
class Relay {
public:
    /// Called after each batch and change of state, on the relay's strand; must not
    /// throw.
    using Observer = std::function<void(const RelaySnapshot&)>;

    /// @throws std::invalid_argument Names the option that is out of range.
    Relay(
        net::any_io_executor executor,
        ClaimSource& source,
        EventSink& sink,
        RelayOptions options = {},
        Observer observer = {}
    );
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    /** Works until @ref stop. Completes after the batch in hand is settled, on the
        executor of the coroutine that awaits it.

        @par Cancellation
        `stop` is the way to end it; cancelling the coroutine abandons the batch in hand,
       which then waits for @ref RelayOptions::stale_after.
    */
    net::awaitable<void> run();

    /** Claims, delivers and settles one batch. @return Rows claimed. */
    net::awaitable<Result<std::size_t>> run_once();

    /// Lets @ref run complete after the batch in hand. Never waits.
    void stop();

    /// Ends an idle wait at once; a writer in the same process calls it after its commit.
    /// Never waits.
    void wake();

    RelaySnapshot snapshot() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience

#endif
