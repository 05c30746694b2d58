// SPDX-License-Identifier: MIT
#include <modules/users/retrying_user_store.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <random>
#include <utility>

namespace resilience::modules::users {
namespace {

// Calls `attempt` until it does not end in a conflict or the policy has had enough.
template <class Attempt>
net::awaitable<Result<User>> persist(const RetryPolicy& policy, Attempt attempt) {
    for (std::uint32_t failed = 1;; ++failed) {
        auto result = co_await attempt();
        if (result || !(result.error() == Errc::serialization_conflict)) {
            co_return result;
        }
        std::random_device device;
        const std::uint64_t random = (std::uint64_t{device()} << 32) | device();
        const auto wait = policy.next(failed, random);
        if (!wait) co_return result;
        net::steady_timer timer{
            co_await net::this_coro::executor,
            std::chrono::duration_cast<Clock::duration>(*wait)};
        co_await timer.async_wait(net::use_awaitable);
    }
}

}  // namespace

RetryingUserStore::RetryingUserStore(
    std::unique_ptr<UserStore> inner, RetryOptions options
)
    : inner_(std::move(inner)), policy_(options) {}

net::awaitable<Result<User>> RetryingUserStore::create(
    User user, std::string traceparent
) {
    co_return co_await persist(policy_, [&] {
        return inner_->create(user, traceparent);
    });
}

net::awaitable<Result<User>> RetryingUserStore::get(Uuid id) {
    co_return co_await inner_->get(id);
}

net::awaitable<Result<User>> RetryingUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    co_return co_await persist(policy_, [&] {
        return inner_->update(id, fields, traceparent);
    });
}

}  // namespace resilience::modules::users
