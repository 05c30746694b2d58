// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_RETRYING_USER_STORE_HPP
#define RESILIENCE_MODULES_USERS_RETRYING_USER_STORE_HPP

#include <modules/users/user_store.hpp>

#include <resilience/deadline.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/prometheus/observer.hpp>
#include <resilience/retry.hpp>

#include <exception>
#include <memory>

namespace resilience::modules::users {

/** Tries changes again that lost against a concurrent transaction.

    Nothing else is tried again here: a client knows better whether it still wants a
    change whose outcome is unknown, and a database that is down does not come back in
    milliseconds.

    @par Thread safety
    Safe.
*/
class RetryingUserStore final : public UserStore {
public:
    /// @param observer Counts the retries.
    /// @throws std::invalid_argument Names the option that is out of range.
    RetryingUserStore(
        std::unique_ptr<UserStore> inner,
        prometheus::Observer observer,
        RetryOptions options =
            {
                .attempts = 3,
                .base = std::chrono::milliseconds{5},
                .cap = std::chrono::milliseconds{50},
            }
    );

    net::awaitable<Result<User>> create(User user, std::string traceparent) override;
    net::awaitable<Result<User>> get(Uuid id) override;
    net::awaitable<Result<User>> update(
        Uuid id, UserFields fields, std::string traceparent
    ) override;

private:
    // A lost race is what is cured by trying again here, and nothing else is.
    struct LostRaces {
        Classification operator()(const Result<User>& result) const;
        Classification operator()(const std::exception_ptr& thrown) const;
    };
    using Retries = BasicPipeline<
        DefaultOrder,
        SystemEnvironment,
        LostRaces,
        Retry<prometheus::Observer>,
        NoDeadline>;

    std::unique_ptr<UserStore> inner_;
    Retries retries_;
};

}  // namespace resilience::modules::users

#endif
