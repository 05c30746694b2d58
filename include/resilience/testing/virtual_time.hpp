// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_VIRTUAL_TIME_HPP
#define RESILIENCE_TESTING_VIRTUAL_TIME_HPP

#include <resilience/asio/timer.hpp>
#include <resilience/clock.hpp>
#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace resilience::testing {

namespace detail {

using resilience::detail::Wait;

/// The waits of one context, and the clock that they wait by.
class VirtualWaits final : public resilience::detail::TimeSource {
public:
    explicit VirtualWaits(TimePoint start) : clock_(start) { waits_.reserve(64); }

    TimePoint now() const noexcept override { return clock_.now(); }
    ManualClock& clock() noexcept { return clock_; }
    std::size_t size() const noexcept { return waits_.size(); }

    void arm(Wait& wait) override {
        wait.order = ++last_order_;
        const auto later = [](const Wait* a, const Wait* b) { return a->due > b->due; };
        // The last one is due first; among equals, the first one armed stays last.
        waits_.insert(
            std::lower_bound(waits_.begin(), waits_.end(), &wait, later), &wait
        );
    }

    void cancel(std::uint64_t order) override {
        const auto found = std::find_if(waits_.begin(), waits_.end(), [&](const Wait* w) {
            return w->order == order;
        });
        if (found == waits_.end()) return;
        Wait& wait = **found;
        waits_.erase(found);
        end(wait, fail(Errc::cancelled));
    }

    void shutdown() noexcept override {
        while (!waits_.empty()) {
            // Its destruction may destroy the wait itself.
            const Handler<void> handler = take(*waits_.back());
            waits_.pop_back();
        }
    }

    /// When the next wait ends; nothing when none ever does.
    std::optional<TimePoint> next_due() const noexcept {
        if (waits_.empty() || waits_.back()->due == TimePoint::max()) return std::nullopt;
        return waits_.back()->due;
    }

    /// Moves time to the next wait's end and ends it.
    void fire() {
        Wait& wait = *waits_.back();
        waits_.pop_back();
        if (wait.due > clock_.now()) clock_.set(wait.due);
        end(wait, {});
    }

private:
    static Handler<void> take(Wait& wait) noexcept {
        wait.order = 0;
        Handler<void> handler = std::move(*wait.handler);
        wait.handler.reset();
        return handler;
    }

    static void end(Wait& wait, Result<void> result) {
        // The machine's timers have allocated everything when they are armed.
        const UnfailingAllocations unfailing;
        const net::any_io_executor executor = wait.executor;
        resilience::detail::complete(executor, take(wait), std::move(result));
    }

    ManualClock clock_;
    std::vector<Wait*> waits_;
    std::uint64_t last_order_ = 0;
};

}  // namespace detail

/** Lets the code on one `io_context` live in a time of its own, where hours pass at once.

    Every @ref Timer made on the context afterwards, and with it every wait of this
    library, waits in virtual time: it stands still while any handler is ready, and jumps
    to the end of the next wait when none is. What is due at the same instant ends in the
    order in which it began to wait, so that a run can be repeated exactly.

    Asio's own timers and sockets know nothing of it: a test awaits no real I/O. Policies
    that remember when they were made are made with `time.now()`: virtual time begins one
    hour after the clock's zero, whatever the machine's clock says.

    @par Thread safety
    Unsafe: one thread runs the context, and through this object alone.

    @par Object lifetimes
    Made before the first timer on the context; not used after the context is destroyed.
    Objects made for the same context share its time.

    @par Example
    @code
    net::io_context context;
    testing::VirtualTime time{context};
    net::co_spawn(context, reconnect_for_an_hour(), net::detached);
    time.run();
    @endcode
*/
class VirtualTime {
public:
    /// Governs the time of `context`, which shows `start`, unless another object does so
    /// already.
    explicit VirtualTime(
        net::io_context& context, TimePoint start = TimePoint{std::chrono::hours{1}}
    )
        : context_(context), waits_(waits_of(context, start)) {}

    TimePoint now() const noexcept { return waits_.now(); }

    /// The clock to hand to policies, so that they agree with the timers.
    const ManualClock& clock() const noexcept { return waits_.clock(); }

    net::io_context& context() noexcept { return context_; }
    net::io_context::executor_type get_executor() noexcept {
        return context_.get_executor();
    }

    /// Waits that are under way, those without an end included.
    std::size_t waiting() const noexcept { return waits_.size(); }

    /** Runs one ready handler or, if there is none, ends the next wait.

        @param until The latest instant to which time may move.
        @return Whether there was anything to do.
    */
    bool step(TimePoint until = TimePoint::max()) {
        context_.restart();
        if (context_.poll_one() > 0) return true;
        const auto due = waits_.next_due();
        if (!due || *due > until) return false;
        waits_.fire();
        return true;
    }

    /** Runs until no handler is ready and no wait has an end.

        @param limit The most steps to take: code that never rests is found out.
        @return Whether it came to rest.
    */
    bool run(std::size_t limit = 10'000'000) {
        return run_until(TimePoint::max(), limit);
    }

    /// Runs what happens until `when`, and leaves the clock there. As @ref run.
    bool run_until(TimePoint when, std::size_t limit = 10'000'000) {
        while (step(when)) {
            if (limit-- == 0) return false;
        }
        if (when != TimePoint::max() && when > now()) waits_.clock().set(when);
        return true;
    }

    /// Runs what happens within `span`, and leaves the clock at its end. As @ref run.
    bool run_for(Clock::duration span, std::size_t limit = 10'000'000) {
        return run_until(now() + span, limit);
    }

private:
    static detail::VirtualWaits& waits_of(net::io_context& context, TimePoint start) {
        using resilience::detail::TimeService;
        net::execution_context& base = context;
        auto& service = net::use_service<TimeService>(base);
        if (!service.source()) {
            service.install(std::make_unique<detail::VirtualWaits>(start));
        }
        return static_cast<detail::VirtualWaits&>(*service.source());
    }

    net::io_context& context_;
    detail::VirtualWaits& waits_;
};

}  // namespace resilience::testing

#endif
