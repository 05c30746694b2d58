// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CONSUME_ONCE_HPP
#define RESILIENCE_CONSUME_ONCE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>
#include <resilience/classify.hpp>
#include <resilience/inbox.hpp>
#include <resilience/random.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace resilience {

/// Settings of @ref consume_once.
struct ConsumeOptions {
    /// Most records of a batch. 1 to 100,000; default 500.
    std::size_t batch = 500;

    /// Longest wait for the first of them. 0 to 1 h; default 1 s.
    std::chrono::milliseconds wait{1000};

    /// Attempts at a record that fails for a reason which may pass, and the waits between
    /// them. Longer hints of the failure are heeded up to `max_hint`. Together they must
    /// leave time for the batch within `kafka::ConsumerOptions::max_poll_interval`.
    /// Default 5, 100 ms doubling to 5 s.
    RetryOptions retry{
        .attempts = 5, .cap = std::chrono::seconds{5}, .jitter = Jitter::equal};
};

/// What became of the records of a batch.
struct ConsumedBatch {
    /// Their effect was committed.
    std::size_t handled = 0;
    /// They were taken before: nothing was done.
    std::size_t repeated = 0;
    /// They were put away as poison.
    std::size_t poisoned = 0;
    /// Whether the partitions of some went to another member before their offsets were
    /// committed; it finds the events taken.
    bool lost = false;
};

/** Whether a handler's failure speaks of the record, so that trying again is useless and
    the next record may fare better. Pure.

    True for what @ref classify calls a client's error or permanent, except what speaks of
    the database or the program's rights there, which each record would meet:
   access_denied, bad_destination, storage_full, corrupt_data.
*/
inline bool is_poison(const Failure& failure) noexcept {
    const Verdict verdict = classify(failure).verdict;
    if (verdict != Verdict::client_error && verdict != Verdict::permanent) return false;
    return failure != Errc::access_denied && failure != Errc::bad_destination &&
           failure != Errc::storage_full && failure != Errc::corrupt_data;
}

/// The `poison` of @ref consume_once that stops at the record: nothing behind it is
/// handled before it can be.
struct HaltOnPoison {
    template <class Record>
    net::awaitable<Result<void>> operator()(const Record&, const Failure& why) const {
        co_return why;
    }
};

namespace detail {

/// Lets a consumer begin again unless all that it handed out is done.
template <class Consumer>
class RewindUnlessDone {
public:
    explicit RewindUnlessDone(Consumer& consumer) noexcept : consumer_(&consumer) {}
    ~RewindUnlessDone() {
        if (consumer_) consumer_->rewind();
    }
    RewindUnlessDone(const RewindUnlessDone&) = delete;
    RewindUnlessDone& operator=(const RewindUnlessDone&) = delete;

    void done() noexcept { consumer_ = nullptr; }

private:
    Consumer* consumer_;
};

enum class Taken : std::uint8_t { handled, repeated, poisoned };

/// Handles one record after another.
template <class Database, class Handle, class Poison>
class RecordTaker {
public:
    RecordTaker(
        Database& database,
        const Inbox& inbox,
        Handle& handle,
        Poison& poison,
        const RetryOptions& retry
    )
        : database_(database),
          inbox_(inbox),
          handle_(handle),
          poison_(poison),
          policy_(retry) {}

    template <class Record>
    net::awaitable<Result<Taken>> take(const Record& record) {
        const auto named = event_id_of(record.headers);
        const auto row = inbox_.prepare(std::string{named.value_or(std::string_view{})});
        if (!row) {
            auto why = fail(Errc::invalid_request, "ce_id: is missing, or no identity");
            co_return co_await put_away(record, std::move(why), std::nullopt);
        }
        const std::string& id = row->event_id;
        Timer timer{co_await net::this_coro::executor};
        for (std::uint32_t failed = 1;; ++failed) {
            std::optional<Failure> refusal;
            const auto taken = co_await attempt(record, id, refusal);
            if (taken) co_return *taken ? Taken::handled : Taken::repeated;
            if (refusal && is_poison(*refusal)) {
                co_return co_await put_away(record, std::move(*refusal), id);
            }
            const auto end = classify(taken.error());
            const bool may_pass =
                is_failure(end.verdict)
                    ? end.verdict != Verdict::permanent
                    : end.verdict == Verdict::ignored && taken.error() != Errc::closed;
            const auto delay =
                may_pass ? policy_.next(failed, thread_random()()) : std::nullopt;
            if (!delay) co_return taken.error();
            const auto hint = std::min(end.retry_after, policy_.options().max_hint);
            const auto until = timer.now() + std::max(*delay, hint);
            const auto waited =
                co_await timer.async_wait_until(until, net::use_awaitable);
            if (!waited) co_return waited.error();
        }
    }

private:
    // The event and its effect in one transaction. `refusal` is the handler's own
    // failure.
    template <class Record>
    net::awaitable<Result<bool>> attempt(
        const Record& record, const std::string& id, std::optional<Failure>& refusal
    ) {
        auto work = [&](auto& transaction) -> net::awaitable<Result<bool>> {
            auto taken = co_await inbox_.take(transaction, id);
            if (!taken || !*taken) co_return taken;
            std::exception_ptr thrown;
            try {
                const Result<void> handled = co_await handle_(transaction, record);
                if (handled) co_return true;
                refusal = handled.error();
            } catch (...) {
                thrown = std::current_exception();
            }
            if (thrown) refusal = failure_of(thrown);
            co_return *refusal;
        };
        return with_transaction(database_, std::move(work));
    }

    template <class Record>
    net::awaitable<Result<Taken>> put_away(
        const Record& record, Failure why, std::optional<std::string> id
    ) {
        const Result<void> away = co_await poison_(record, why);
        if (!away) co_return away.error();
        if (!id) co_return Taken::poisoned;
        auto note = [&](auto& transaction) -> net::awaitable<Result<bool>> {
            return inbox_.take(transaction, *id);
        };
        const Result<bool> noted = co_await with_transaction(database_, std::move(note));
        if (!noted) co_return noted.error();
        co_return Taken::poisoned;
    }

    Database& database_;
    const Inbox& inbox_;
    Handle& handle_;
    Poison& poison_;
    RetryPolicy policy_;
};

}  // namespace detail

/** Takes a batch of records, each with its effect exactly once, and then commits their
    offsets.

    For each record, in order: one transaction of `database` that takes the event's
    identity into the inbox and runs `handle`, unless the event was taken before. Then one
    commit of the offsets of all of them. So a crash at any moment, a lost partition or a
    failed commit hands records out again whose events are taken already.

    It stands on the floor of the outbox, above no adapter: what it needs of a consumer, a
    database and a transaction it finds by their functions, so that the adapters of Kafka,
    PostgreSQL and SQLite need not know each other.

    @code
    const Inbox inbox{{.consumer = "stock"}};
    const auto handle = [](postgres::Transaction& transaction, const kafka::Record&
   record)
        -> net::awaitable<Result<void>> { ... };
    while (true) {
        const auto batch = co_await consume_once(consumer, pool, inbox, handle);
        if (!batch && !is_retryable(batch.error().code)) co_return batch.error();
    }
    @endcode

    @param consumer Such as `kafka::Consumer`: has `poll`, `commit` and `rewind` as it has
        them, and records with `headers`, for which `offsets_after` is found.
    @param database Such as `postgres::Pool` or `sqlite::Database`: what
   `with_transaction` takes, with a transaction that @ref Inbox takes.
    @param handle Takes the transaction and the record, returns
        `net::awaitable<Result<void>>`. It writes into that transaction alone, and neither
        commits nor rolls back: it is run again after a rollback. What it throws counts as
        Errc::internal.
    @param poison Takes the record and the failure of one that @ref is_poison, or that has
        no identity, and returns `net::awaitable<Result<void>>`: success says that it is
   put away, and a failure ends the call. @ref HaltOnPoison, or `kafka::DeadLetterTopic`.
    @return What became of the batch; with no record when none came in time.

    @par Errors
    What was done before is committed, and the consumer is rewound: the next call begins
    with the record that failed.
    @li Those of `poll` and, but for Errc::fenced, of `commit`.
    @li Those of the transaction and of `handle`, once no attempt is left or none makes
        sense. They may be in doubt; the inbox tells in the next call.
    @li Those of `poison`.

    @par Cancellation
    As of what it awaits. The consumer is rewound.

    @par Object lifetimes
    What is given by reference must outlive the operation.
*/
template <class Consumer, class Database, class Handle, class Poison = HaltOnPoison>
net::awaitable<Result<ConsumedBatch>> consume_once(
    Consumer& consumer,
    Database& database,
    const Inbox& inbox,
    Handle handle,
    Poison poison = {},
    ConsumeOptions options = {}
) {
    detail::RecordTaker taker{database, inbox, handle, poison, options.retry};
    const auto records = co_await consumer.poll(options.batch, options.wait);
    if (!records) co_return records.error();
    detail::RewindUnlessDone rewind{consumer};
    ConsumedBatch batch;
    std::optional<Failure> stopped;
    std::size_t done = 0;
    for (const auto& record : *records) {
        const Result<detail::Taken> taken = co_await taker.take(record);
        if (!taken) {
            stopped = taken.error();
            break;
        }
        ++done;
        batch.handled += *taken == detail::Taken::handled;
        batch.repeated += *taken == detail::Taken::repeated;
        batch.poisoned += *taken == detail::Taken::poisoned;
    }
    if (done > 0) {
        auto offsets = offsets_after(std::span{records->data(), done});
        const Result<void> committed = co_await consumer.commit(std::move(offsets));
        batch.lost = !committed && committed.error() == Errc::fenced;
        if (!committed && !batch.lost && !stopped) stopped = committed.error();
    }
    if (stopped) co_return *stopped;
    rewind.done();
    co_return batch;
}

}  // namespace resilience

#endif
