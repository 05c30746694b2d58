// SPDX-License-Identifier: MIT
#include <resilience/delivery_report.hpp>

#include "delivery_facts.hpp"
#include "delivery_report_settings.hpp"
#include "letter_queue.hpp"
#include "removal_sweep.hpp"
#include "run_on_strand.hpp"
#include "seq_walk.hpp"

#include <resilience/asio/timer.hpp>
#include <resilience/relay.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <utility>

namespace resilience {

using detail::SeqRange;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

struct DeliveryReport::Impl : std::enable_shared_from_this<Impl> {
    Impl(net::any_io_executor ex, DeliveredRows& table, DeliveryReportOptions opts)
        : strand(net::make_strand(std::move(ex))),
          rows(table),
          options(detail::checked(std::move(opts))),
          removes_at_once(options.retention == milliseconds{0}),
          pause(options.pause),
          random(options.seed != 0 ? options.seed : std::random_device{}()),
          timer(strand),
          sweep(options.sweep_interval, options.full_sweep_interval),
          facts(removes_at_once, options.max_lanes),
          dead_letters(options.max_dead_letters) {}

    // A round over the rows that there are reports for.
    struct Round {
        std::vector<DeliveredLane> lanes;
        detail::SeqWalk walk;
        // The first row that somebody had locked.
        std::int64_t first_locked = 0;
        TimePoint began{};

        SeqRange locked_rows() const { return {first_locked - 1, walk.rest().to}; }
    };

    // Used on the strand alone, up to the mutex.
    net::strand<net::any_io_executor> strand;
    DeliveredRows& rows;
    const DeliveryReportOptions options;
    const bool removes_at_once;
    RetryPolicy pause;
    std::mt19937_64 random;
    Timer timer;
    std::optional<Round> round;
    detail::RemovalSweep sweep;
    TimePoint next_round{};
    std::uint32_t failures = 0;
    bool waiting_wakeably = false;

    std::atomic<bool> stopping = false;
    std::atomic<bool> waking = false;

    mutable std::mutex mutex;
    detail::DeliveryFacts facts;
    detail::LetterQueue dead_letters;
    DeliveryReportSnapshot state;

    bool reports() const noexcept { return options.report && !removes_at_once; }
    bool has_rounds() const noexcept { return options.report || removes_at_once; }
    bool has_sweeps() const noexcept { return options.retention && !removes_at_once; }

    template <class Change>
    auto locked(Change change) {
        const std::lock_guard lock(mutex);
        return change();
    }

    void delivered(
        int lane,
        std::span<const WindowEvent> events,
        const LanePosition& position,
        std::span<const DeadLetteredRow> letters
    ) {
        SeqRange range;
        if (!events.empty()) range = {events.front().seq - 1, events.back().seq};
        tell([&] {
            facts.delivered(lane, range, position);
            // The position may have been found before.
            if (!reports() || facts.is_late(lane, position)) return;
            state.dropped_dead_letters +=
                dead_letters.add(lane, position.source, letters);
        });
    }

    void found(int lane, const LanePosition& position) {
        tell([&] { facts.found(lane, position); });
    }

    // Wakes the loop if there was nothing to do before; else it has set a time itself.
    template <class Change>
    void tell(Change change) {
        const bool news = locked([&] {
            const bool before = has_work();
            change();
            if (!has_work()) return false;
            if (has_rounds()) {
                state.caught_up = false;
                if (!state.behind_since) state.behind_since = timer.now();
            }
            return !before;
        });
        if (news) wake();
    }

    // What there is to do once a round is due; under the lock.
    bool has_work() const { return facts.has_ready() || !dead_letters.empty(); }

    // One post is enough, however often it is asked for.
    void wake() {
        if (waking.exchange(true)) return;
        net::post(strand, [self = shared_from_this()] {
            self->waking = false;
            if (self->waiting_wakeably) self->timer.cancel();
        });
    }

    // Positions are taken before the dead letters of the chunks that led there are
    // written, so that none of these is shown as SENT.
    bool begin_round() {
        if (round) return true;
        if (!has_rounds() || timer.now() < next_round) return false;
        return locked([&] {
            if (!has_work()) return false;
            const auto range = facts.take().value_or(SeqRange{});
            round.emplace(Round{facts.lanes(), detail::SeqWalk{range}, 0, timer.now()});
            next_round = timer.now() + options.interval;
            return true;
        });
    }

    net::awaitable<Result<void>> write_dead_letters() {
        for (;;) {
            detail::LetterQueue::Batch batch;
            std::vector<DeliveredLane> lanes;
            // Positions that show the letters' chunks: those of the round may be earlier.
            locked([&] {
                batch = dead_letters.first(1000, facts);
                lanes = facts.lanes();
            });
            if (batch.taken == 0) co_return Result<void>{};
            Result<void> written;
            if (!batch.rows.empty()) {
                written = co_await rows.report_failed(lanes, batch.rows);
            }
            if (!written && !blames_rows(written.error())) co_return written.error();
            locked([&] {
                dead_letters.remove_first(batch.taken);
                (written ? state.failed : state.refused) += batch.rows.size();
                state.dropped_dead_letters += batch.taken - batch.rows.size();
            });
        }
    }

    // Deals with one slice of the round. Returns how many rows were changed.
    net::awaitable<Result<std::size_t>> go_round() {
        if (!begin_round()) co_return std::size_t{0};
        const auto written = co_await write_dead_letters();
        if (!written) co_return written.error();
        if (round->walk.rest().is_open()) {
            const auto last = co_await rows.last_seq();
            if (!last) co_return last.error();
            round->walk.end_at(*last);
        }
        if (round->walk.is_done()) {
            end_round();
            co_return std::size_t{0};
        }
        const auto limit = removes_at_once ? options.removal_batch : options.batch;
        const auto step = round->walk.step();
        const DeliveredSlice slice{round->lanes, step.after, step.to, limit};
        Result<DeliveredOutcome> done = DeliveredOutcome{};
        if (removes_at_once) {
            done = co_await rows.remove(slice, milliseconds{0});
        } else {
            done = co_await rows.report(slice);
        }
        if (!done) {
            if (!blames_rows(done.error())) co_return done.error();
            note_refusal(round->walk.refused(), done.error());
        } else {
            locked([&] {
                (removes_at_once ? state.removed : state.reported) += done->changed;
            });
            if (round->first_locked == 0) round->first_locked = done->first_locked;
            round->walk.done_to(done->looked < limit ? slice.to : done->last_seq);
        }
        if (round->walk.is_done()) end_round();
        co_return done ? done->changed : 0;
    }

    void note_refusal(bool passed_over, const Failure& failure) {
        locked([&] {
            if (passed_over) ++state.refused;
            state.refusal = failure.message();
        });
    }

    void end_round() {
        locked([&] {
            if (round->first_locked > 0) facts.again(round->locked_rows());
            state.caught_up = !has_work();
            state.behind_since.reset();
            if (!state.caught_up) state.behind_since = round->began;
        });
        round.reset();
    }

    // Removes what of one slice is old. Returns how many rows were.
    net::awaitable<Result<std::size_t>> go_sweeping() {
        if (!has_sweeps() || !sweep.begin(timer.now())) co_return std::size_t{0};
        auto lanes = locked([&] { return facts.lanes(); });
        if (lanes.empty()) {
            sweep.end(timer.now());
            co_return std::size_t{0};
        }
        const auto step = sweep.step();
        const DeliveredSlice slice{
            std::move(lanes), step.after, step.to, options.removal_batch};
        const auto done = co_await rows.remove(slice, *options.retention);
        if (!done) {
            if (!blames_rows(done.error())) co_return done.error();
            note_refusal(sweep.refused(), done.error());
            co_return std::size_t{0};
        }
        locked([&] { state.removed += done->changed; });
        sweep.done(*done, slice.limit, timer.now());
        co_return done->changed;
    }

    // How long to wait after statements that took `busy`.
    nanoseconds pace(std::size_t reported, std::size_t removed, nanoseconds busy) const {
        const auto rate = [](std::size_t count, std::uint32_t per_second) {
            return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(
                static_cast<double>(count) / static_cast<double>(per_second)
            ));
        };
        const auto whole =
            rate(
                reported,
                removes_at_once ? options.removals_per_second : options.rows_per_second
            ) +
            rate(removed, options.removals_per_second);
        const auto share = busy * 100 / options.busy_percent;
        return std::max(whole, share) - busy;
    }

    net::awaitable<void> wait_until(TimePoint when, bool wakeable) {
        if (stopping) co_return;
        waiting_wakeably = wakeable;
        (void)co_await timer.async_wait_until(when, net::use_awaitable);
        waiting_wakeably = false;
    }

    // When there may be work again, if nobody tells of any.
    TimePoint next_work() {
        auto when = TimePoint::max();
        if (has_rounds() && locked([&] { return has_work(); })) when = next_round;
        if (has_sweeps()) when = std::min(when, sweep.next());
        return when;
    }
    net::awaitable<void> suffer(const Failure& failure) {
        locked([&] {
            // What was under way is begun anew, with what will be known by then.
            if (round) {
                facts.again(round->walk.rest());
                if (round->first_locked > 0) facts.again(round->locked_rows());
            }
            ++state.pauses;
            state.paused = true;
            state.reason = failure.message();
        });
        round.reset();
        sweep.restart();
        co_await wait_until(timer.now() + pause.delay(++failures, random()), false);
    }

    void recover() {
        if (std::exchange(failures, 0) == 0) return;
        locked([&] {
            state.paused = false;
            state.reason.clear();
        });
    }

    net::awaitable<void> run() {
        while (!stopping) {
            const auto began = timer.now();
            const auto reported = co_await go_round();
            if (!reported) {
                co_await suffer(reported.error());
                continue;
            }
            const auto removed = co_await go_sweeping();
            if (!removed) {
                co_await suffer(removed.error());
                continue;
            }
            recover();
            const auto ended = timer.now();
            auto when = ended + pace(*reported, *removed, ended - began);
            const bool idle = !round && !sweep.is_under_way();
            if (idle) when = std::max(when, next_work());
            co_await wait_until(when, idle);
        }
    }

    DeliveryReportSnapshot snapshot() const {
        const std::lock_guard lock(mutex);
        auto copy = state;
        copy.recoveries = facts.recoveries();
        return copy;
    }
};

DeliveryReport::DeliveryReport(
    net::any_io_executor executor, DeliveredRows& rows, DeliveryReportOptions options
)
    : impl_(std::make_shared<Impl>(std::move(executor), rows, std::move(options))) {}

DeliveryReport::~DeliveryReport() = default;

void DeliveryReport::delivered(
    int lane,
    std::span<const WindowEvent> events,
    const LanePosition& position,
    std::span<const DeadLetteredRow> dead_letters
) {
    impl_->delivered(lane, events, position, dead_letters);
}

void DeliveryReport::found(int lane, const LanePosition& position) {
    impl_->found(lane, position);
}

net::awaitable<void> DeliveryReport::run() {
    const auto impl = impl_;
    co_await detail::run_on_strand(impl->strand, impl->run());
}

void DeliveryReport::stop() {
    impl_->stopping = true;
    net::post(impl_->strand, [impl = impl_] { impl->timer.cancel(); });
}

DeliveryReportSnapshot DeliveryReport::snapshot() const { return impl_->snapshot(); }

LaneRelayObserver report_deliveries(
    DeliveryReport& report, int lane, LaneRelayObserver next
) {
    LaneRelayObserver observer;
    observer.changed =
        [&report, lane, take_overs = std::uint64_t{0}, then = std::move(next.changed)](
            const LaneRelaySnapshot& now
        ) mutable {
            // Between these every chunk is told of.
            if (std::exchange(take_overs, now.take_overs) != now.take_overs) {
                report.found(lane, now.position);
            }
            if (then) then(now);
        };
    observer.committed =
        [&report, lane, then = std::move(next.committed)](const CommittedChunk& chunk) {
            std::vector<DeadLetteredRow> letters;
            for (const auto& letter : chunk.dead_letters) {
                letters.push_back({chunk.events[letter.event].seq, letter.why.message()});
            }
            report.delivered(lane, chunk.events, chunk.position, letters);
            if (then) then(chunk);
        };
    return observer;
}

}  // namespace resilience
