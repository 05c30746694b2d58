// SPDX-License-Identifier: MIT
#include <resilience/lane_relay.hpp>

#include <resilience/asio/timer.hpp>
#include <resilience/detail/chunk_law.hpp>
#include <resilience/detail/lane_fault.hpp>

#include "chunk_builder.hpp"
#include "idle_policy.hpp"
#include "lane_cursor.hpp"
#include "lane_monitor.hpp"
#include "lane_relay_settings.hpp"
#include "lane_turn.hpp"
#include "overlap.hpp"
#include "run_on_strand.hpp"
#include "unpark_hearing.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <random>
#include <span>
#include <utility>

namespace resilience {
namespace {

using detail::ChunkBuilder;
using detail::ChunkLaw;
using detail::LaneFault;
using detail::Slice;
using detail::Turn;

using Rows = std::vector<WindowEvent>;

}  // namespace

struct LaneRelay::Impl {
    Impl(
        net::any_io_executor ex,
        WindowSource& from,
        LaneSink& to,
        LaneRelayOptions opts,
        LaneRelayObserver observer
    )
        : strand(net::make_strand(std::move(ex))),
          source(from),
          sink(to),
          options(detail::checked(std::move(opts))),
          monitor(std::move(observer)),
          pause(options.pause),
          idle(options.least_poll, options.poll_interval, options.lane),
          random(options.seed != 0 ? options.seed : std::random_device{}()),
          builder(options),
          unparks(options),
          law(ChunkLaw::make(options.chunk_rows)),
          timer(strand) {}

    // All that is neither atomic nor the monitor's is used on the strand alone.
    net::strand<net::any_io_executor> strand;
    WindowSource& source;
    LaneSink& sink;
    LaneRelayOptions options;
    detail::LaneMonitor monitor;
    RetryPolicy pause;
    detail::LanePace idle;
    std::mt19937_64 random;
    ChunkBuilder builder;
    detail::UnparkHearing unparks;
    ChunkLaw law;
    detail::LaneCursor cursor;
    Timer timer;

    std::atomic<bool> stopping = false;
    bool owning = false;
    bool woken = false;
    bool waiting_wakeably = false;
    std::uint32_t failures = 0;
    std::uint32_t halted_tries = 0;
    std::optional<TimePoint> looked_at;
    // The slice that was read while the one before it was committed.
    std::optional<Slice> ahead;
    // A chunk of which the next take-over tells whether it was committed.
    std::optional<CommittedChunk> in_doubt;

    // Goes to the last committed position: the only way there is after a failure (I1).
    net::awaitable<Result<void>> take_over() {
        ahead.reset();
        looked_at.reset();
        const auto identity = co_await source.identity();
        if (!identity) co_return identity.error();
        const auto found = co_await sink.take_over();
        if (!found) co_return found.error();
        const bool asks = !*found && options.find_first;
        if (asks) {
            auto first = co_await options.find_first(options.lane);
            if (!first) co_return first.error();
            options.first_seen = std::move(*first);
        }
        auto position = detail::begin_lane(options, *identity, *found);
        if (!position) co_return position.error();
        if (asks || (!*found && !position->seen.empty())) {
            ++position->batch_seq;
            const auto written = co_await write_first(*position);
            if (!written) co_return written.error();
        }

        const auto chunk = std::exchange(in_doubt, std::nullopt);
        if (chunk && chunk->position == *position) {
            committed(*chunk);
        } else if (*position != cursor.committed()) {
            builder.forget();
        }
        cursor.restart(*position);
        owning = true;
        monitor.note([&](LaneRelaySnapshot& s) {
            ++s.take_overs;
            s.position = *position;
            s.window_since.reset();
        });
        co_return Result<void>{};
    }

    // Where a lane begins is settled by its first owner: rows that another one would
    // count as delivered may have come since.
    net::awaitable<Result<void>> write_first(const LanePosition& position) {
        const auto window = co_await source.look();
        if (!window) co_return window.error();
        const auto passed = co_await source.gate(window->insert);
        if (!passed) co_return passed.error();
        co_return co_await sink.commit({}, position);
    }

    void committed(const CommittedChunk& chunk) {
        builder.forget(chunk.events);
        law.on_committed();
        monitor.committed(chunk, sink.put_offs());
    }

    // A parking ends with a position of its own, without events.
    net::awaitable<Result<void>> end_parkings() {
        const auto next = co_await unparks.ask(cursor.committed(), timer.now());
        if (!next) co_return Result<void>{};
        ahead.reset();
        const std::span<const WindowEvent> none;
        const auto done = co_await sink.commit(none, *next);
        if (!done && is_in_doubt(done.error().code)) {
            monitor.note([](LaneRelaySnapshot& s) { ++s.doubts; });
            in_doubt = CommittedChunk{{}, {}, *next};
        }
        if (!done) co_return done;
        cursor.advance(*next);
        committed({{}, {}, *next});
        co_return done;
    }

    // Looks, or delivers one chunk.
    net::awaitable<Result<Turn>> turn() {
        const auto ended = co_await end_parkings();
        if (!ended) co_return ended.error();
        if (!cursor.is_in_window()) {
            co_await rest();
            looked_at = timer.now();
            const auto window = co_await source.look();
            if (!window) co_return window.error();
            const bool news = cursor.open(*window);
            monitor.note([&](LaneRelaySnapshot& s) {
                ++s.looks;
                if (news) {
                    s.window_since = looked_at;
                } else {
                    s.caught_up = looked_at;
                }
            });
            if (!news) co_return Turn::idle;
        }
        auto slice = co_await read();
        if (!slice.rows) co_return slice.rows.error();
        if (slice.rows->empty()) co_return finish_window();
        co_return co_await deliver(slice.asked, std::move(*slice.rows));
    }

    net::awaitable<Slice> read() {
        if (ahead) co_return *std::exchange(ahead, std::nullopt);
        Slice slice{cursor.slice(options.lane, law.rows, options.chunk_bytes), Rows{}};
        slice.rows = co_await source.read(slice.asked);
        co_return slice;
    }

    // Needs neither gate nor commit: it is only passed in memory.
    Turn finish_window() {
        const bool delivered = cursor.has_begun();
        cursor.finish();
        window_done();
        return delivered ? Turn::progress : Turn::idle;
    }

    void window_done() {
        monitor.note([&](LaneRelaySnapshot& s) {
            if (looked_at) s.caught_up = looked_at;
            s.window_since.reset();
        });
    }

    net::awaitable<Result<Turn>> deliver(const WindowSlice& asked, Rows rows) {
        const bool last = detail::ends_window(rows, asked);
        auto built = builder.build(std::move(rows), cursor.committed());
        if (!built) co_return built.error();
        const auto passed = co_await pass_gate();
        if (!passed) co_return passed.error();

        CommittedChunk chunk{
            std::move(built->events), std::move(built->dead_letters), {}};
        const bool window_ends = last && !built->is_cut;
        chunk.position =
            cursor.after(chunk.events.size(), chunk.events.back().seq, window_ends);
        chunk.position.parked = std::move(built->parked);
        const auto began = timer.now();
        const bool overlap = options.read_ahead && !window_ends && !built->is_cut;
        Result<void> done;
        if (overlap) done = co_await commit_and_read(chunk);
        if (!overlap) done = co_await sink.commit(chunk.events, chunk.position);
        if (!done) co_return refused(done.error(), std::move(chunk));

        cursor.advance(chunk.position);
        monitor.note([&](LaneRelaySnapshot& s) { s.last_commit = timer.now() - began; });
        if (window_ends) window_done();
        committed(chunk);
        co_return Turn::progress;
    }

    // I6: nothing of a window leaves before it cannot be lost.
    net::awaitable<Result<void>> pass_gate() {
        const auto lsn = cursor.gate();
        if (!lsn) co_return Result<void>{};
        const auto began = timer.now();
        const auto passed = co_await source.gate(*lsn);
        if (!passed) co_return passed.error();
        monitor.note([&](LaneRelaySnapshot& s) {
            ++s.gates;
            s.last_gate = timer.now() - began;
        });
        co_return Result<void>{};
    }

    // What is read ahead counts only if the chunk before it was committed: else the lane
    // is taken over next, which drops it.
    net::awaitable<Result<void>> commit_and_read(const CommittedChunk& chunk) {
        auto next = cursor;
        next.advance(chunk.position);
        Slice slice{next.slice(options.lane, law.rows, options.chunk_bytes), Rows{}};
        auto both =
            co_await detail::commit_and_read(strand, sink, chunk, source, slice.asked);
        slice.rows = std::move(both.rows);
        ahead = std::move(slice);
        co_return both.committed;
    }

    // A commit failed. Either the chunk is made differently, or that is the failure.
    Result<Turn> refused(Failure failure, CommittedChunk chunk) {
        const auto fault = detail::lane_fault(failure.code);
        if (fault == LaneFault::fenced) return failure;
        if (is_in_doubt(failure.code)) {
            monitor.note([](LaneRelaySnapshot& s) { ++s.doubts; });
            in_doubt = std::move(chunk);
            return failure;
        }
        monitor.note([](LaneRelaySnapshot& s) { ++s.aborts; });
        if (fault != LaneFault::halt) return failure;
        const auto refusals = sink.refusals();
        if (builder.learn(chunk.events, chunk.dead_letters, refusals)) {
            return Turn::differently;
        }
        if (!refusals.empty() || chunk.events.size() == 1) return failure;
        law.on_refused(chunk.events.size());
        return Turn::differently;
    }

    net::awaitable<void> wait(std::chrono::nanoseconds delay, bool wakeable) {
        if (stopping || (wakeable && std::exchange(woken, false))) co_return;
        waiting_wakeably = wakeable;
        (void)co_await timer.async_wait_until(timer.now() + delay, net::use_awaitable);
        waiting_wakeably = false;
        woken = false;
    }

    // What the lane would wait for with its chunk it waits for without one.
    net::awaitable<void> rest() {
        const auto delay =
            detail::rest_until(sink.ready_at(), timer.now(), options.poll_interval);
        if (delay.count() == 0) co_return;
        monitor.note([&](LaneRelaySnapshot& s) { s.last_rest = delay; });
        co_await wait(delay, false);
    }

    // Says what is wrong and pauses. Returns whether to give up.
    net::awaitable<bool> suffer(const Failure& failure) {
        const auto fault = detail::lane_fault(failure.code);
        if (fault == LaneFault::fenced) {
            monitor.note([](LaneRelaySnapshot& s) { ++s.fences; });
            monitor.enter(LaneState::fenced, timer.now(), failure.message());
            co_return true;
        }
        ++failures;
        if (fault == LaneFault::halt) {
            if (halted_tries++ == 0) {
                monitor.note([](LaneRelaySnapshot& s) { ++s.halts; });
            }
            monitor.enter(LaneState::halted, timer.now(), failure.message());
            if (halted_tries > options.halted_tries) co_return true;
            co_await wait(options.pause.cap, false);
            co_return false;
        }
        halted_tries = 0;
        if (fault == LaneFault::resume && failures == 1) co_return false;
        monitor.note([](LaneRelaySnapshot& s) { ++s.pauses; });
        monitor.enter(LaneState::paused, timer.now(), failure.message());
        co_await wait(pause.delay(failures, random()), false);
        co_return false;
    }

    void recover() {
        failures = 0;
        halted_tries = 0;
        monitor.enter(LaneState::running, timer.now());
    }

    net::awaitable<Result<Turn>> work() {
        if (!owning) {
            const auto taken = co_await take_over();
            if (!taken) co_return taken.error();
        }
        co_return co_await turn();
    }

    net::awaitable<Result<void>> run() {
        owning = false;
        failures = 0;
        halted_tries = 0;
        monitor.enter(LaneState::starting, timer.now());
        while (!stopping) {
            const auto turn = co_await work();
            if (!turn) {
                owning = false;
                const bool over = co_await suffer(turn.error());
                if (over) co_return turn.error();
            } else if (*turn == Turn::differently) {
                owning = false;
            } else if (*turn == Turn::progress) {
                recover();
                idle.reset();
            } else {
                recover();
                co_await wait(idle.next(timer.now()), true);
            }
        }
        monitor.enter(LaneState::stopped, timer.now());
        co_return Result<void>{};
    }
};

LaneRelay::LaneRelay(
    net::any_io_executor executor,
    WindowSource& source,
    LaneSink& sink,
    LaneRelayOptions options,
    LaneRelayObserver observer
)
    : impl_(std::make_shared<Impl>(
          std::move(executor), source, sink, std::move(options), std::move(observer)
      )) {}

LaneRelay::~LaneRelay() = default;

net::awaitable<Result<void>> LaneRelay::run() {
    const auto impl = impl_;
    auto ended = co_await detail::run_on_strand(impl->strand, impl->run());
    co_return ended;
}

void LaneRelay::stop() {
    impl_->stopping = true;
    net::post(impl_->strand, [impl = impl_] { impl->timer.cancel(); });
}

void LaneRelay::wake() {
    net::post(impl_->strand, [impl = impl_] {
        impl->woken = true;
        impl->idle.reset();
        if (impl->waiting_wakeably) impl->timer.cancel();
    });
}

LaneRelaySnapshot LaneRelay::snapshot() const { return impl_->monitor.snapshot(); }

}  // namespace resilience
