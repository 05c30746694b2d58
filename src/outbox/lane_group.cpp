// SPDX-License-Identifier: MIT
#include <resilience/lane_group.hpp>

#include <resilience/asio/timer.hpp>

#include "lane_relay_settings.hpp"
#include "lane_slot.hpp"
#include "lane_totals.hpp"
#include "run_on_strand.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <random>
#include <stdexcept>
#include <utility>

namespace resilience {
namespace {

constexpr int most_lanes = 64;

LaneGroupOptions checked(LaneGroupOptions options, const LaneFactory& factory) {
    using std::chrono::milliseconds;
    if (options.lanes < 1 || options.lanes > most_lanes) {
        throw std::invalid_argument("LaneGroupOptions::lanes must be 1 to 64");
    }
    if (options.look_interval < milliseconds{10} ||
        options.look_interval > std::chrono::seconds{60}) {
        throw std::invalid_argument(
            "LaneGroupOptions::look_interval must be 10 ms to 60 s"
        );
    }
    if (!factory) throw std::invalid_argument("LaneFactory must not be empty");
    options.relay = detail::checked(std::move(options.relay));
    return options;
}

using detail::LaneRun;
using detail::LaneSlot;

}  // namespace

struct LaneGroup::Impl : std::enable_shared_from_this<Impl> {
    Impl(
        net::any_io_executor ex,
        LaneOwnership& who,
        LaneFactory make,
        LaneGroupOptions opts,
        Observer obs
    )
        : executor(ex),
          strand(net::make_strand(std::move(ex))),
          ownership(who),
          factory(std::move(make)),
          options(checked(std::move(opts), factory)),
          observer(std::move(obs)),
          compete(options.compete),
          random(options.seed != 0 ? options.seed : std::random_device{}()),
          timer(strand),
          slots(static_cast<std::size_t>(options.lanes)) {
        since = timer.now();
        for (auto& slot : slots) slot.since = since;
    }

    // All that is neither atomic nor behind the mutex is used on the strand alone, and
    // what is behind it is changed there alone.
    net::any_io_executor executor;
    net::strand<net::any_io_executor> strand;
    LaneOwnership& ownership;
    LaneFactory factory;
    LaneGroupOptions options;
    Observer observer;
    RetryPolicy compete;
    std::mt19937_64 random;
    Timer timer;
    std::atomic<bool> stopping = false;
    bool poked = false;
    bool changed = false;
    std::uint32_t failures = 0;

    mutable std::mutex mutex;
    int members = 0;
    TimePoint since{};
    std::string reason;
    std::uint64_t losses = 0;
    // From `owned` to `run` behind the mutex.
    std::vector<LaneSlot> slots;

    LaneSlot& slot_of(int lane) { return slots[static_cast<std::size_t>(lane)]; }
    int lane_of(const LaneSlot& slot) const {
        return static_cast<int>(&slot - slots.data());
    }

    void own(LaneSlot& slot, bool owned) {
        if (slot.owned == owned) return;
        const std::lock_guard lock(mutex);
        slot.owned = owned;
        slot.since = timer.now();
        changed = true;
    }

    void tell() {
        if (std::exchange(changed, false) && observer) observer(snapshot());
    }

    LaneGroupSnapshot snapshot() const {
        LaneGroupSnapshot now;
        const std::lock_guard lock(mutex);
        now.members = members;
        now.since = since;
        now.reason = reason;
        now.losses = losses;
        for (const auto& slot : slots) {
            now.lanes.push_back(
                {slot.owned,
                 slot.since,
                 slot.runs,
                 slot.run ? detail::add_run(slot.past, slot.run->relay.snapshot())
                          : slot.past}
            );
        }
        return now;
    }

    void poke() {
        poked = true;
        timer.cancel();
    }

    void start(LaneSlot& slot) {
        std::shared_ptr<LaneRun> run;
        auto relay = options.relay;
        relay.lane = lane_of(slot);
        if (relay.seed == 0) relay.seed = random() | 1;
        try {
            run = std::make_shared<LaneRun>(
                executor, factory(relay.lane), std::move(relay), timer.now()
            );
        } catch (const std::exception& error) {
            const std::lock_guard lock(mutex);
            fail_run(slot, timer.now(), error.what());
            return;
        }
        {
            const std::lock_guard lock(mutex);
            slot.run = run;
            ++slot.runs;
        }
        auto over = [self = shared_from_this(), &slot, run](
                        std::exception_ptr error, const Result<void>& result
                    ) { self->end(slot, *run, error, result); };
        net::co_spawn(
            strand,
            run->relay.run(),
            net::bind_cancellation_slot(slot.cancel.slot(), std::move(over))
        );
    }

    // Something failed that the relay could not tell of.
    void fail_run(LaneSlot& slot, TimePoint began, std::string why) {
        LaneRelaySnapshot failed;
        failed.state = LaneState::halted;
        failed.since = timer.now();
        failed.halts = 1;
        failed.reason = std::move(why);
        slot.past = detail::add_run(slot.past, failed);
        put_off(slot, began);
    }

    void put_off(LaneSlot& slot, TimePoint began) {
        if (timer.now() - began > options.compete.cap) slot.failures = 0;
        slot.next_start = timer.now() + compete.delay(++slot.failures, random());
    }

    void end(
        LaneSlot& slot,
        const LaneRun& run,
        std::exception_ptr error,
        const Result<void>& result
    ) {
        {
            const std::lock_guard lock(mutex);
            slot.past = detail::add_run(slot.past, run.relay.snapshot());
            slot.run.reset();
            if (error) {
                fail_run(slot, run.began, detail::failure_of(error).message());
            } else if (!result) {
                put_off(slot, run.began);
            } else {
                slot.failures = 0;
            }
        }
        poke();
    }

    // It ends in its own time.
    static void end_run(LaneSlot& slot) {
        if (slot.run) slot.run->relay.stop();
    }

    void adopt(const LaneCensus& census) {
        if (members != census.members) {
            const std::lock_guard lock(mutex);
            if (members == 0) since = timer.now();
            members = census.members;
            reason.clear();
            changed = true;
        }
        for (auto& slot : slots) {
            const bool held = std::ranges::count(census.held, lane_of(slot)) > 0;
            own(slot, held);
            if (held) continue;
            slot.leaving = false;
            end_run(slot);
        }
    }

    net::awaitable<Result<void>> turn() {
        const auto census = co_await ownership.look();
        if (!census) co_return census.error();
        adopt(*census);
        const auto plan = plan_lanes(options.lanes, *census);
        for (const int lane : plan.give_up) {
            slot_of(lane).leaving = true;
            end_run(slot_of(lane));
        }
        for (auto& slot : slots) {
            if (!slot.leaving || slot.run) continue;
            const auto given = co_await ownership.give_up(lane_of(slot));
            if (!given) co_return given.error();
            slot.leaving = false;
            own(slot, false);
        }
        for (const int lane : plan.take) {
            const auto taken = co_await ownership.take(lane);
            if (!taken) co_return taken.error();
            if (!*taken) continue;
            auto& slot = slot_of(lane);
            slot.failures = 0;
            slot.next_start = timer.now();
            own(slot, true);
        }
        for (auto& slot : slots) {
            if (!slot.owned || slot.leaving || slot.run) continue;
            if (timer.now() >= slot.next_start && !stopping) start(slot);
        }
        co_return Result<void>{};
    }

    // This instance has nothing any more: others may run its lanes.
    void lose(const Failure& failure) {
        for (auto& slot : slots) {
            own(slot, false);
            slot.leaving = false;
            end_run(slot);
        }
        const std::lock_guard lock(mutex);
        if (members > 0) {
            ++losses;
            since = timer.now();
        }
        if (members > 0 || reason != failure.message()) changed = true;
        members = 0;
        reason = failure.message();
    }

    // When there is something to do although nobody pokes.
    TimePoint next_turn() const {
        auto when = timer.now() + options.look_interval;
        for (const auto& slot : slots) {
            if (slot.owned && !slot.run) when = std::min(when, slot.next_start);
        }
        return when;
    }

    net::awaitable<void> rest(TimePoint until, bool pokeable) {
        while (!stopping && timer.now() < until) {
            if (pokeable && poked) break;
            (void)co_await timer.async_wait_until(until, net::use_awaitable);
        }
        poked = false;
    }

    net::awaitable<void> loop() {
        while (!stopping) {
            const auto done = co_await turn();
            if (done) {
                failures = 0;
                tell();
                co_await rest(next_turn(), true);
                continue;
            }
            lose(done.error());
            tell();
            const auto pause = compete.delay(++failures, random());
            co_await rest(timer.now() + pause, false);
        }
        for (auto& slot : slots) end_run(slot);
        co_await runs_over();
    }

    net::awaitable<void> runs_over() {
        const auto is_under_way = [](const LaneSlot& slot) {
            return slot.run != nullptr;
        };
        while (std::ranges::any_of(slots, is_under_way)) {
            (void)co_await timer.async_wait_until(TimePoint::max(), net::use_awaitable);
        }
    }

    net::awaitable<Result<void>> run() {
        std::exception_ptr error;
        try {
            co_await loop();
        } catch (...) {
            error = std::current_exception();
        }
        if (error) {
            co_await net::this_coro::reset_cancellation_state(net::disable_cancellation()
            );
            for (auto& slot : slots) {
                if (slot.run) slot.cancel.emit(net::cancellation_type::terminal);
            }
            co_await runs_over();
        }
        // Not before: a lane whose chunk is in hand is nobody else's.
        ownership.leave();
        for (auto& slot : slots) own(slot, false);
        {
            const std::lock_guard lock(mutex);
            if (members > 0) since = timer.now();
            members = 0;
            reason.clear();
            changed = true;
        }
        tell();
        if (error) std::rethrow_exception(error);
        co_return Result<void>{};
    }
};

LaneGroup::LaneGroup(
    net::any_io_executor executor,
    LaneOwnership& ownership,
    LaneFactory factory,
    LaneGroupOptions options,
    Observer observer
)
    : impl_(std::make_shared<Impl>(
          std::move(executor),
          ownership,
          std::move(factory),
          std::move(options),
          std::move(observer)
      )) {}

LaneGroup::~LaneGroup() = default;

net::awaitable<void> LaneGroup::run() {
    const auto impl = impl_;
    (void)co_await detail::run_on_strand(impl->strand, impl->run());
}

void LaneGroup::stop() {
    impl_->stopping = true;
    net::post(impl_->strand, [impl = impl_] { impl->timer.cancel(); });
}

void LaneGroup::wake() {
    net::post(impl_->strand, [impl = impl_] {
        for (const auto& slot : impl->slots) {
            if (slot.run) slot.run->relay.wake();
        }
    });
}

LaneGroupSnapshot LaneGroup::snapshot() const { return impl_->snapshot(); }

}  // namespace resilience
