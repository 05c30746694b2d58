// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_SCRIPTED_USERS_HPP
#define RESILIENCE_TESTS_SCRIPTED_USERS_HPP

#include <modules/users/user_store.hpp>

#include <deque>
#include <string>
#include <utility>

namespace fixture {

/// Fails as it is told, call after call, and then succeeds.
class ScriptedUsers final : public resilience::modules::users::UserStore {
public:
    using User = resilience::modules::users::User;
    template <class T>
    using Answer = resilience::net::awaitable<resilience::Result<T>>;

    std::deque<resilience::Errc> failures;
    int calls = 0;

    Answer<User> create(User user, std::string) override {
        co_return answer(std::move(user));
    }
    Answer<User> get(resilience::Uuid id) override {
        co_return answer({.id = id.to_string()});
    }
    Answer<User> update(
        resilience::Uuid id, resilience::modules::users::UserFields, std::string
    ) override {
        co_return answer({.id = id.to_string()});
    }

private:
    resilience::Result<User> answer(User user) {
        ++calls;
        if (failures.empty()) return user;
        const auto code = failures.front();
        failures.pop_front();
        return resilience::fail(code, "secret words of the server");
    }
};

}  // namespace fixture

#endif
