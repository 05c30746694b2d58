// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_WAITING_PLACE_HPP
#define RESILIENCE_ASIO_DETAIL_WAITING_PLACE_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>

#include <memory>
#include <utility>

namespace resilience::detail {

/** Where an operation waits that is one object: with its handler, or, if that has no
    executor, in a strand of its own in Asio's system executor.

    With the handler, whoever cancels does so there. In a strand of its own the operation
    may end on one thread while it is cancelled on another, so the handler's cancellation
    slot is left alone then, and what stays in it does no harm; see @ref Caller.
*/
struct WaitingPlace {
    net::any_io_executor executor;
    bool own = false;
};

template <class Handler>
WaitingPlace waiting_place(const Handler& handler) {
    net::any_io_executor executor = executor_of(handler);
    if (!executor.target<net::system_executor>()) return {std::move(executor)};
    return {net::make_strand(net::system_executor{}), true};
}

/// Makes the `Operation` that waits at `place`. The allocator of its handler serves no
/// longer than the handler is there; a slot that is left alone may outlive that.
template <class Operation, class Subject, class Handler>
std::shared_ptr<Operation> make_waiting(
    WaitingPlace place, Subject& subject, Handler&& handler
) {
    const auto make = [&](const auto& allocator) {
        return std::allocate_shared<Operation>(
            allocator, std::move(place), subject, std::forward<Handler>(handler)
        );
    };
    const net::recycling_allocator<void> recycling;
    if (place.own) return make(recycling);
    return make(net::get_associated_allocator(handler, recycling));
}

/// Empties the slot of a handler that is about to be called, unless it is left alone.
template <class Handler>
void leave_slot(const WaitingPlace& place, const Handler& handler) {
    if (place.own) return;
    auto slot = net::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) slot.clear();
}

}  // namespace resilience::detail

#endif
