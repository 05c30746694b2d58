// SPDX-License-Identifier: MIT
#include <modules/users/retrying_user_store.hpp>

#include <resilience/asio/pipeline.hpp>

#include <utility>

namespace resilience::modules::users {

Classification RetryingUserStore::LostRaces::operator()(const Result<User>& result
) const {
    if (result) return {};
    const bool lost = result.error() == Errc::serialization_conflict;
    return {lost ? Verdict::transient : Verdict::permanent};
}

Classification RetryingUserStore::LostRaces::operator()(const std::exception_ptr&) const {
    return {Verdict::permanent};
}

RetryingUserStore::RetryingUserStore(
    std::unique_ptr<UserStore> inner, prometheus::Observer observer, RetryOptions options
)
    : inner_(std::move(inner)),
      // A request has a deadline of its own, and these waits are short.
      retries_(Pipeline{Retry{options, nullptr, std::move(observer)}, NoDeadline{}}
                   .classified_by(LostRaces{})) {}

net::awaitable<Result<User>> RetryingUserStore::create(
    User user, std::string traceparent
) {
    co_return co_await co_run(retries_, [&](CallContext&) {
        return inner_->create(user, traceparent);
    });
}

net::awaitable<Result<User>> RetryingUserStore::get(Uuid id) {
    co_return co_await inner_->get(id);
}

net::awaitable<Result<User>> RetryingUserStore::update(
    Uuid id, UserFields fields, std::string traceparent
) {
    co_return co_await co_run(retries_, [&](CallContext&) {
        return inner_->update(id, fields, traceparent);
    });
}

}  // namespace resilience::modules::users
