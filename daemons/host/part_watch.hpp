// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_PART_WATCH_HPP
#define RESILIENCE_HOST_PART_WATCH_HPP

#include "host/health.hpp"
#include "host/log.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>

namespace resilience::host {

/** Looks after the parts of a program although nobody probes it, and logs each change:
    `warn` with the server's own words when a part goes, `info` when it is back.

    @par Thread safety
    Used on its executor alone, which must be a strand or of one thread.

    @par Object lifetimes
    Must outlive its work: @ref stop it and wait until it does not run.
*/
class PartWatch {
public:
    PartWatch(
        net::any_io_executor executor,
        Health& health,
        Log& log,
        std::chrono::milliseconds pause
    );

    /// Takes the first look now. @param ended Called when it has come to its end.
    void start(std::function<void()> ended);

    /// Lets a look under way end, and takes no other.
    void stop();

    bool running() const noexcept { return running_; }

private:
    net::awaitable<void> look_for_ever();
    void tell(const Health::Finding& part);

    Health& health_;
    Log& log_;
    std::chrono::milliseconds pause_;
    net::steady_timer timer_;
    bool running_ = false;
    bool stopping_ = false;
};

}  // namespace resilience::host

#endif
