// SPDX-License-Identifier: MIT
#include <modules/users/retrying_user_store.hpp>

#include <resilience/random.hpp>
#include <resilience/retry_state.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience::modules::users {
namespace {

// A lost race is what is cured by trying again here, and nothing else is.
Classification end_of(const Result<User>& result) {
    if (result) return {};
    const bool lost = result.error() == Errc::serialization_conflict;
    return {lost ? Verdict::transient : Verdict::permanent};
}

}  // namespace

// Calls `attempt` until it does not end in a conflict or the policy has had enough.
template <class Attempt>
net::awaitable<Result<User>> RetryingUserStore::persist(Attempt attempt) const {
    const auto executor = co_await net::this_coro::executor;
    RetryState state{policy_};
    while (true) {
        auto result = co_await attempt();
        const auto decision = state.next(
            end_of(result),
            Clock::now(),
            RetryState::no_deadline,
            thread_random()(),
            nullptr,
            observer_
        );
        if (!decision) co_return result;
        net::steady_timer timer{
            executor, std::chrono::duration_cast<Clock::duration>(decision.delay)};
        co_await timer.async_wait(net::use_awaitable);
    }
}

RetryingUserStore::RetryingUserStore(
    std::unique_ptr<UserStore> inner, prometheus::Observer observer, RetryOptions options
)
    : inner_(std::move(inner)), observer_(std::move(observer)), policy_(options) {}

net::awaitable<Result<User>> RetryingUserStore::create(
    User user, std::string traceparent
) {
    co_return co_await persist([&] { return inner_->create(user, traceparent); });
}

net::awaitable<Result<User>> RetryingUserStore::get(Uuid id) {
    co_return co_await inner_->get(id);
}

net::awaitable<Result<User>> RetryingUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    co_return co_await persist([&] { return inner_->update(id, fields, traceparent); });
}

}  // namespace resilience::modules::users
