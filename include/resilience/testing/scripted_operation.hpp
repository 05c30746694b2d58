// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTING_SCRIPTED_OPERATION_HPP
#define RESILIENCE_TESTING_SCRIPTED_OPERATION_HPP

#include <resilience/asio/result.hpp>
#include <resilience/asio/timer.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace resilience::testing {

/** An operation that does what the test has written down, in virtual time.

    Each call plays the next step of the script; the last step is played for ever. An
    operation of no steps succeeds at once with a `T{}`.

    @par Cancellation
    A call that is cancelled (`terminal`, `partial` or `total`, as far as the coroutine
    lets it through) fails with @ref Errc::cancelled_in_doubt, unless its step ignores
    cancellation.

    @par Thread safety
    Unsafe.

    @par Object lifetimes
    Outlives its calls.

    @par Example
    @code
    testing::ScriptedOperation<int> fetch;
    fetch.fail_after(5ms, fail(Errc::unavailable)).succeed_after(10ms, 42);
    Result<int> first = co_await fetch();
    @endcode
*/
template <class T>
class ScriptedOperation {
public:
    using Duration = Clock::duration;

    ScriptedOperation() = default;
    ScriptedOperation(const ScriptedOperation&) = delete;
    ScriptedOperation& operator=(const ScriptedOperation&) = delete;

    /// Adds a call that takes `delay` and succeeds.
    ScriptedOperation& succeed_after(Duration delay, T value) {
        return add({delay, [value] { return Result<T>{value}; }});
    }

    /// Adds a call that takes `delay` and fails.
    ScriptedOperation& fail_after(Duration delay, Failure failure) {
        return add({delay, [failure] { return Result<T>{failure}; }});
    }

    /// Adds a call that takes `delay` and throws `exception`.
    template <class E>
    ScriptedOperation& throw_after(Duration delay, E exception) {
        return add({delay, [exception]() -> Result<T> { throw exception; }});
    }

    /// Adds a call that ends only when it is cancelled.
    ScriptedOperation& hang() {
        return add({Duration::max(), [] { return Result<T>{fail(Errc::internal)}; }});
    }

    /// Adds a call that takes `delay` and succeeds, whoever cancels it.
    ScriptedOperation& ignore_cancellation(Duration delay, T value) {
        return add({delay, [value] { return Result<T>{value}; }, true});
    }

    /// Plays the next step.
    net::awaitable<Result<T>> operator()() {
        const Step step = next();
        Presence presence{*this};
        const net::any_io_executor executor = co_await net::this_coro::executor;
        Timer timer{executor};
        std::optional<Result<void>> waited;
        if (step.deaf) {
            waited = co_await timer.async_wait_until(
                end_of(step, timer.now()),
                net::bind_cancellation_slot(net::cancellation_slot{}, net::use_awaitable)
            );
        } else {
            waited = co_await timer.async_wait_until(
                end_of(step, timer.now()), net::use_awaitable
            );
        }
        presence.leave(!*waited);
        if (!*waited) co_return fail(Errc::cancelled_in_doubt);
        co_return step.end();
    }

    /// Plays the next step for a completion token of signature
    /// `void(std::exception_ptr, Result<T>)`.
    template <class CompletionToken = net::deferred_t>
    auto async_call(const net::any_io_executor& executor, CompletionToken&& token = {}) {
        return net::co_spawn(executor, (*this)(), std::forward<CompletionToken>(token));
    }

    /// Calls so far.
    std::size_t calls() const noexcept { return calls_; }
    /// Calls that are under way.
    std::size_t in_flight() const noexcept { return in_flight_; }
    /// Most calls that were ever under way at once.
    std::size_t most_in_flight() const noexcept { return most_in_flight_; }
    /// Calls that ran to their scripted end, by value, failure or exception.
    std::size_t finished() const noexcept { return finished_; }
    /// Calls that ended because they were cancelled.
    std::size_t cancelled() const noexcept { return cancelled_; }
    /// Calls that were destroyed while they were under way.
    std::size_t destroyed() const noexcept { return destroyed_; }

private:
    struct Step {
        Duration delay{};
        std::function<Result<T>()> end;
        bool deaf = false;
    };

    class Presence {
    public:
        explicit Presence(ScriptedOperation& owner) : owner_(&owner) {
            ++owner.calls_;
            owner.most_in_flight_ = std::max(owner.most_in_flight_, ++owner.in_flight_);
        }
        Presence(const Presence&) = delete;
        Presence& operator=(const Presence&) = delete;
        ~Presence() {
            if (!owner_) return;
            --owner_->in_flight_;
            ++owner_->destroyed_;
        }
        void leave(bool cancelled) {
            ++(cancelled ? owner_->cancelled_ : owner_->finished_);
            --std::exchange(owner_, nullptr)->in_flight_;
        }

    private:
        ScriptedOperation* owner_;
    };

    ScriptedOperation& add(Step step) {
        steps_.push_back(std::move(step));
        return *this;
    }

    Step next() {
        if (steps_.empty()) return {Duration{0}, [] { return Result<T>{T{}}; }};
        return steps_[std::min(calls_, steps_.size() - 1)];
    }

    static TimePoint end_of(const Step& step, TimePoint now) {
        return step.delay == Duration::max() ? TimePoint::max() : now + step.delay;
    }

    std::vector<Step> steps_;
    std::size_t calls_ = 0;
    std::size_t in_flight_ = 0;
    std::size_t most_in_flight_ = 0;
    std::size_t finished_ = 0;
    std::size_t cancelled_ = 0;
    std::size_t destroyed_ = 0;
};

}  // namespace resilience::testing

#endif
