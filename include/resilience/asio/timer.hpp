// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_TIMER_HPP
#define RESILIENCE_ASIO_TIMER_HPP

#include <resilience/asio/detail/time_service.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include <optional>
#include <utility>

namespace resilience {

namespace detail {

/// Turns the end of a timer's wait into a result; else the handler that it wraps.
template <class Inner>
struct WaitHandler {
    void operator()(const boost::system::error_code& error) {
        std::move(inner)(error ? Result<void>{fail(Errc::cancelled)} : Result<void>{});
    }

    Inner inner;
};

}  // namespace detail

/// The time of an executor's context: what @ref Clock says, unless a test has put
/// `testing::VirtualTime` there.
inline TimePoint current_time(const net::any_io_executor& executor) {
    const detail::TimeSource* source = detail::time_source(executor);
    return source ? source->now() : Clock::now();
}

/** Waits for an instant of @ref Clock.

    Every wait of this library is one of these. On a context whose time a test governs
    (`testing::VirtualTime`) it waits in that time; else it is a `net::steady_timer`. The
    choice is made at construction.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.

    @par Object lifetimes
    Destroying a timer cancels its wait.
*/
class Timer {
public:
    /// Makes a timer of the time that `executor`'s context has now.
    explicit Timer(const net::any_io_executor& executor)
        : executor_(executor), source_(detail::time_source(executor)) {
        if (!source_) machine_.emplace(executor);
    }

    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    ~Timer() {
        if (wait_.order != 0) source_->cancel(wait_.order);
    }

    const net::any_io_executor& get_executor() const noexcept { return executor_; }

    /// The current time, as this timer counts it.
    TimePoint now() const noexcept { return source_ ? source_->now() : Clock::now(); }

    /** Waits until `when`; an instant that has passed is reached at once, though never
        within this call. Cancels the wait that was under way.

        @par Completion signature
        `void(Result<void>)`

        @par Errors
        @ref Errc::cancelled.

        @par Cancellation
        All types end the wait.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_wait_until(TimePoint when, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<void>)>(
            [this](auto handler, TimePoint due) { this->start(std::move(handler), due); },
            token,
            when
        );
    }

    /// Ends the wait that is under way, if any, with @ref Errc::cancelled.
    void cancel() {
        if (machine_) {
            machine_->cancel();
        } else if (wait_.order != 0) {
            source_->cancel(wait_.order);
        }
    }

private:
    template <class H>
    void start(H handler, TimePoint due) {
        if (machine_) {
            machine_->expires_at(due);
            machine_->async_wait(detail::WaitHandler<H>{std::move(handler)});
            return;
        }
        cancel();
        auto slot = net::get_associated_cancellation_slot(handler);
        wait_.due = due;
        wait_.executor = executor_;
        wait_.handler.emplace(std::move(handler));
        source_->arm(wait_);
        if (!slot.is_connected()) return;
        // By number: the timer may be gone when a late signal comes.
        slot.assign([source = source_, order = wait_.order](net::cancellation_type type) {
            if (type != net::cancellation_type::none) source->cancel(order);
        });
    }

    net::any_io_executor executor_;
    detail::TimeSource* source_;
    std::optional<net::steady_timer> machine_;
    detail::Wait wait_;
};

}  // namespace resilience

/// A wait's handler has the executor, allocator and cancellation slot of the one inside.
template <template <class, class> class Associator, class Inner, class Default>
struct boost::asio::
    associator<Associator, resilience::detail::WaitHandler<Inner>, Default>
    : Associator<Inner, Default> {
    using Wrapped = resilience::detail::WaitHandler<Inner>;

    static auto get(const Wrapped& h) noexcept
        -> decltype(Associator<Inner, Default>::get(h.inner)) {
        return Associator<Inner, Default>::get(h.inner);
    }
    static auto get(const Wrapped& h, const Default& d) noexcept
        -> decltype(Associator<Inner, Default>::get(h.inner, d)) {
        return Associator<Inner, Default>::get(h.inner, d);
    }
};

#endif
