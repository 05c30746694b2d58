// SPDX-License-Identifier: MIT
#include "host/health.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace resilience::host {
namespace {

struct Part {
    std::string name;
    Need need;
    HealthCheck check;
    std::mutex mutex;
    std::optional<std::pair<TimePoint, PartHealth>> last;
};

net::awaitable<PartHealth> guarded(const HealthCheck& check) {
    try {
        co_return co_await check();
    } catch (const std::exception& e) {
        // The text may hold what is not for the public.
        co_return PartHealth{HealthState::down, "the check failed", e.what()};
    }
}

// Keeps what was found, and tells of a change.
void note(Part& part, const PartHealth& health, const Health::Observer& observer) {
    const std::lock_guard lock{part.mutex};
    const HealthState before = part.last ? part.last->second.state : HealthState::up;
    part.last.emplace(Clock::now(), health);
    if (health.state != before && observer) observer({part.name, part.need, health});
}

net::awaitable<PartHealth> ask(
    Part& part, const HealthOptions& options, const Health::Observer& observer
) {
    using namespace net::experimental::awaitable_operators;
    {
        const std::lock_guard lock{part.mutex};
        if (part.last && Clock::now() - part.last->first < options.reuse) {
            co_return part.last->second;
        }
    }
    net::steady_timer timer{co_await net::this_coro::executor, options.timeout};
    auto first = co_await (guarded(part.check) || timer.async_wait(net::use_awaitable));
    auto health = first.index() == 0 ? std::get<0>(std::move(first))
                                     : PartHealth{HealthState::down, "no answer in time"};
    note(part, health, observer);
    co_return health;
}

// The checks of one examination. Shared, because a cancelled examination leaves before
// its checks do.
struct Examination {
    std::vector<PartHealth> found;
    std::size_t open = 0;
    net::steady_timer done;
};

}  // namespace

std::string_view to_string(HealthState state) noexcept {
    switch (state) {
        case HealthState::up:
            return "up";
        case HealthState::degraded:
            return "degraded";
        case HealthState::down:
            break;
    }
    return "down";
}

struct Health::Impl {
    HealthOptions options;
    std::vector<std::unique_ptr<Part>> parts;
    Observer observer;
    std::atomic<bool> draining = false;
};

Health::Health(HealthOptions options) : impl_(std::make_unique<Impl>()) {
    impl_->options = options;
}

Health::~Health() = default;

void Health::add(std::string name, Need need, HealthCheck check) {
    if (name.empty()) throw std::invalid_argument("name: must not be empty");
    for (const auto& part : impl_->parts) {
        if (part->name == name)
            throw std::invalid_argument("name: " + name + " is taken");
    }
    auto part = std::make_unique<Part>();
    part->name = std::move(name);
    part->need = need;
    part->check = std::move(check);
    impl_->parts.push_back(std::move(part));
}

void Health::on_change(Observer observer) { impl_->observer = std::move(observer); }

net::awaitable<std::vector<Health::Finding>> Health::examine() {
    const auto executor = co_await net::this_coro::executor;
    const auto& parts = impl_->parts;
    auto examination = std::make_shared<Examination>(Examination{
        std::vector<PartHealth>(parts.size()),
        parts.size(),
        net::steady_timer{executor, TimePoint::max()}});
    for (std::size_t i = 0; i < parts.size(); ++i) {
        net::co_spawn(
            executor,
            ask(*parts[i], impl_->options, impl_->observer),
            [examination, i](std::exception_ptr error, PartHealth health) {
                examination->found[i] =
                    error ? PartHealth{HealthState::down, "the check failed"}
                          : std::move(health);
                if (--examination->open == 0) examination->done.cancel();
            }
        );
    }
    boost::system::error_code ignored;
    if (examination->open > 0) {
        co_await examination->done.async_wait(
            net::redirect_error(net::use_awaitable, ignored)
        );
    }
    std::vector<Finding> findings;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        findings.push_back(
            {parts[i]->name, parts[i]->need, std::move(examination->found[i])}
        );
    }
    co_return findings;
}

net::awaitable<std::optional<Health::Finding>> Health::examine(std::string name) {
    for (const auto& part : impl_->parts) {
        if (part->name != name) continue;
        // Not in one expression: g++ 12 destroys an aggregate twice that awaits inside.
        PartHealth health = co_await ask(*part, impl_->options, impl_->observer);
        co_return Finding{part->name, part->need, std::move(health)};
    }
    co_return std::nullopt;
}

HealthState Health::overall(const std::vector<Finding>& findings) noexcept {
    HealthState state = HealthState::up;
    for (const auto& finding : findings) {
        if (finding.health.state == HealthState::up) continue;
        const bool fatal =
            finding.need == Need::required && finding.health.state == HealthState::down;
        state = std::max(state, fatal ? HealthState::down : HealthState::degraded);
    }
    return state;
}

void Health::begin_drain() noexcept { impl_->draining = true; }
bool Health::draining() const noexcept { return impl_->draining; }

}  // namespace resilience::host
