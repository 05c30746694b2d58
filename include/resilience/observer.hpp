// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_OBSERVER_HPP
#define RESILIENCE_OBSERVER_HPP

#include <utility>

namespace resilience {

/** Observes nothing: the default observer of every policy; its hooks compile to nothing.

    An observer is any object with some functions `void on(const E&) noexcept`, one for
    each event type E that it wants to see; the event types stand in the header of the
    policy that tells them. A policy calls them after the fact, holding no lock, on the
    thread that caused the event; so `on` must be safe to call from several threads, must
    not block, and may call the policy.
*/
struct NoObserver {};

namespace detail {

/// Tells `observer` of `event` if it wants to know.
template <class Observer, class Event>
constexpr void notify(Observer& observer, const Event& event) noexcept {
    if constexpr (requires { observer.on(event); }) {
        static_assert(
            noexcept(observer.on(event)),
            "an observer's on(event) must be noexcept: policies call it where nothing "
            "may throw"
        );
        observer.on(event);
    }
}

}  // namespace detail
}  // namespace resilience

#endif
