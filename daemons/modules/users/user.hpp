// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_USERS_USER_HPP
#define RESILIENCE_MODULES_USERS_USER_HPP

#include <resilience/event.hpp>

#include <string>
#include <string_view>

namespace resilience::host {
class JsonBody;
}

namespace resilience::modules::users {

/// What a client may say of a user.
struct UserFields {
    /// Unique among all users, compared byte by byte. At most 255 bytes.
    std::string email;
    /// 1 to 255 bytes.
    std::string name;
};

/// A row of `users` (O4).
struct User {
    /// A UUID in text form.
    std::string id;
    std::string email;
    std::string name;
    /// Moments in UTC as RFC 3339 writes them, with microseconds.
    std::string created_at;
    std::string updated_at;

    friend bool operator==(const User&, const User&) = default;
};

/** Reads `email` and `name`; what is wrong is kept by `body`.

    An address has exactly one `@` with at least one byte on each side, and neither spaces
    nor control characters. What is more can only be known by writing to it.
*/
UserFields read_fields(host::JsonBody& body);

/// Makes a user with an identity of its own, created now.
User make_user(UserFields fields);

/// The moment as the times of a @ref User have it.
std::string now_text();

/// The user as clients and events see it: one JSON object.
std::string to_json(const User& user);

/** Makes the event that tells others of a user (O10).

    @param type `user.created` or `user.updated`.
    @param traceparent Sent along as a header unless it is empty.
*/
Event make_event(const User& user, std::string type, std::string_view traceparent);

}  // namespace resilience::modules::users

#endif
