// SPDX-License-Identifier: MIT
#include "host/part_watch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace resilience::host {

PartWatch::PartWatch(
    net::any_io_executor executor,
    Health& health,
    Log& log,
    std::chrono::milliseconds pause
)
    : health_(health), log_(log), pause_(pause), timer_(std::move(executor)) {
    health_.on_change([this](const Health::Finding& part) { tell(part); });
}

void PartWatch::start(std::function<void()> ended) {
    running_ = true;
    net::co_spawn(
        timer_.get_executor(),
        look_for_ever(),
        [this, ended = std::move(ended)](std::exception_ptr error) {
            running_ = false;
            if (error) log_.error("parts are not looked after any more");
            ended();
        }
    );
}

void PartWatch::stop() {
    stopping_ = true;
    timer_.cancel();
}

net::awaitable<void> PartWatch::look_for_ever() {
    while (!stopping_) {
        co_await health_.examine();
        if (stopping_) break;
        boost::system::error_code ignored;
        timer_.expires_after(pause_);
        co_await timer_.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
}

void PartWatch::tell(const Health::Finding& part) {
    const PartHealth& health = part.health;
    if (health.state == HealthState::up) {
        log_.info("part is up again", {{"part", part.name}});
        return;
    }
    log_.warn(
        health.state == HealthState::down ? "part is down" : "part is degraded",
        {{"part", part.name}, {"detail", health.detail}, {"error", health.cause}}
    );
}

}  // namespace resilience::host
