// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_TIME_SERVICE_HPP
#define RESILIENCE_ASIO_DETAIL_TIME_SERVICE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/clock.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace resilience::detail {

/// One wait for an instant, kept by whoever waits and armed at a @ref TimeSource.
struct Wait {
    TimePoint due{};
    /// Tells the waits of one source apart, in the order of arming; 0 while not armed.
    std::uint64_t order = 0;
    net::any_io_executor executor;
    std::optional<Handler<void>> handler;
};

/// Time that is not the machine's. One thread at a time uses it and its context.
class TimeSource {
public:
    virtual ~TimeSource() = default;

    virtual TimePoint now() const noexcept = 0;

    /// Takes `wait`, which stays where it is until it is disarmed or its handler has
    /// been completed.
    virtual void arm(Wait& wait) = 0;

    /// Gives up the wait of that order and completes its handler with
    /// @ref Errc::cancelled; does nothing when there is none.
    virtual void cancel(std::uint64_t order) = 0;

    /// Destroys all handlers: their context ends.
    virtual void shutdown() noexcept = 0;
};

/// Holds the time of an execution context, if it is not the machine's.
class TimeService final : public net::execution_context::service {
public:
    inline static net::execution_context::id id;

    explicit TimeService(net::execution_context& context) : service(context) {}

    TimeSource* source() const noexcept { return source_.get(); }
    void install(std::unique_ptr<TimeSource> source) { source_ = std::move(source); }

private:
    void shutdown() override {
        if (source_) source_->shutdown();
    }

    std::unique_ptr<TimeSource> source_;
};

/// The time of the executor's context; null where it is the machine's.
inline TimeSource* time_source(const net::any_io_executor& executor) {
    if (!executor) return nullptr;
    net::execution_context& context = net::query(executor, net::execution::context);
    return net::use_service<TimeService>(context).source();
}

}  // namespace resilience::detail

#endif
