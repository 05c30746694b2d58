// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_GRACEFUL_HPP
#define RESILIENCE_MODULES_RELAY_GRACEFUL_HPP

#include <resilience/asio/result.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>

namespace resilience::modules::relay {

/** Runs work that is ended by `stop` when it is cancelled, and waits for its end.

    An App ends background work by cancelling it, which would abandon what is in hand: the
    cancellation is taken here, and goes no further.
*/
net::awaitable<void> run_gracefully(
    net::awaitable<void> work, std::function<void()> stop
);

}  // namespace resilience::modules::relay

#endif
