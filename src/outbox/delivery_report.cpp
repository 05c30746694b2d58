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

namespace {

// A statement goes through this many numbers of rows at first, and through twice as many
// after one that took less than `short_look`: where no index tells which rows are NEW,
// all that were reported long ago are gone through.
constexpr std::int64_t first_width = 200'000;
constexpr std::int64_t last_width = std::int64_t{1} << 40;
constexpr milliseconds short_look{100};

}  // namespace

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
    std::int64_t width = first_width;
    detail::RemovalSweep sweep;
    TimePoint next_round{};
    std::uint32_t failures = 0;
    bool waiting_wakeably = false;

    std::atomic<bool> stopping = false;
    std::atomic<bool> waking = false;

    mutable std::mutex mutex;
    detail::DeliveryFacts facts;
    detail::LetterQueue dead_letters;
    // When a chunk was told of last.
    std::optional<TimePoint> last_chunk;
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
            last_chunk = timer.now();
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

    // Writes those that there are now, each once: what is locked comes last.
    net::awaitable<Result<void>> write_dead_letters() {
        auto left = locked([&] { return dead_letters.size(); });
        while (left > 0) {
            detail::LetterQueue::Batch batch;
            std::vector<DeliveredLane> lanes;
            // Positions that show the letters' chunks: those of the round may be earlier.
            locked([&] {
                batch = dead_letters.first(std::min<std::size_t>(left, 1000), facts);
                lanes = facts.lanes();
            });
            Result<std::vector<std::int64_t>> held = std::vector<std::int64_t>{};
            if (!batch.rows.empty()) {
                held = co_await rows.report_failed(lanes, batch.rows);
            }
            if (!held && !blames_rows(held.error())) co_return held.error();
            locked([&] {
                const auto kept = held ? std::span{*held} : std::span<std::int64_t>{};
                dead_letters.remove_first(batch.taken, kept);
                (held ? state.failed : state.refused) += batch.rows.size() - kept.size();
                state.dropped_dead_letters += batch.taken - batch.rows.size();
            });
            left -= batch.taken;
        }
        co_return Result<void>{};
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
        const auto to = step.to - step.after > width ? step.after + width : step.to;
        const DeliveredSlice slice{round->lanes, step.after, to, limit};
        const auto began = timer.now();
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
            const bool is_short = timer.now() - began < short_look;
            width = is_short ? std::min(2 * width, last_width) : first_width;
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
        sweep.done(*done, slice.limit, timer.now());
        locked([&] {
            state.removed += done->changed;
            state.failed_rows = sweep.failed_rows();
        });
        co_return done->changed;
    }

    // Whether nothing is delivered now that a report could be in the way of.
    bool is_quiet() {
        const auto since = timer.now() - options.interval;
        return locked([&] { return !last_chunk || *last_chunk < since; });
    }

    // How long to wait after statements that took `busy`.
    nanoseconds pace(std::size_t reported, std::size_t removed, nanoseconds busy) {
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
        const auto share = is_quiet() ? busy : busy * 100 / options.busy_percent;
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
        width = first_width;
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

}  // namespace resilience
