// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_CALLER_HPP
#define RESILIENCE_ASIO_DETAIL_CALLER_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include <memory>
#include <tuple>
#include <utility>

namespace resilience::detail {

/// Whoever waits for an operation that is made of others; its context is kept busy.
template <class Handler>
class Caller {
public:
    Caller(Handler&& handler, const net::any_io_executor& otherwise)
        : executor_(executor_of(handler, otherwise)),
          work_(executor_),
          handler_(std::move(handler)) {}

    /// Calls the handler where it belongs. Not to be used from an initiating function.
    /// Leaves the handler's cancellation slot alone, in which a @ref ForwardCancellation
    /// does no harm: its owner may be emitting there this very moment, on another thread.
    template <class Values>
    void complete(Values values) && {
        net::dispatch(
            executor_,
            [handler = std::move(handler_), values = std::move(values)]() mutable {
                std::apply(std::move(handler), std::move(values));
            }
        );
    }

private:
    using Executor = net::associated_executor_t<Handler, net::any_io_executor>;

    Executor executor_;
    net::executor_work_guard<Executor> work_;
    Handler handler_;
};

/// A cancellation slot's handler that hands the signal on to where `State` is run, from
/// whatever thread may use the slot. By weak pointer: the signal may come after the
/// operation's end, until the slot is given to another operation.
template <class State>
struct ForwardCancellation {
    std::weak_ptr<State> target;

    void operator()(net::cancellation_type type) const {
        const std::shared_ptr<State> state = target.lock();
        if (!state || type == net::cancellation_type::none) return;
        net::dispatch(state->get_executor(), [state, type] { state->cancel(type); });
    }
};

template <class State>
ForwardCancellation(std::weak_ptr<State>) -> ForwardCancellation<State>;

}  // namespace resilience::detail

#endif
