// SPDX-License-Identifier: MIT
#include <modules/users/user.hpp>

#include <host/json_body.hpp>
#include <host/text.hpp>

#include <resilience/detail/rfc3339.hpp>
#include <resilience/uuid.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

namespace resilience::modules::users {
namespace {

constexpr std::size_t most_bytes = 255;

bool is_email(std::string_view text) {
    const auto at = text.find('@');
    const bool divided = at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
                         text.find('@', at + 1) == text.npos;
    return divided && std::ranges::none_of(text, [](char c) {
               return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
           });
}

}  // namespace

UserFields read_fields(host::JsonBody& body) {
    UserFields fields;
    fields.email = body.string("email", {.max_bytes = most_bytes});
    if (!body.failed() && !is_email(fields.email)) {
        body.refuse("email", "is not an e-mail address");
    }
    fields.name = body.string("name", {.max_bytes = most_bytes});
    return fields;
}

User make_user(UserFields fields) {
    std::random_device device;
    const auto word = [&device] {
        return (static_cast<std::uint64_t>(device()) << 32) | device();
    };
    const auto now = WallClock::now();
    const std::string moment = detail::format_rfc3339(now);
    return {
        Uuid::v7(now, {word(), word()}).to_string(),
        std::move(fields.email),
        std::move(fields.name),
        moment,
        moment};
}

std::string now_text() { return detail::format_rfc3339(WallClock::now()); }

std::string to_json(const User& user) {
    std::string out;
    const auto add = [&out](std::string_view name, std::string_view value) {
        out += out.empty() ? "{\"" : ",\"";
        out += name;
        out += "\":";
        host::append_json_string(out, value);
    };
    add("id", user.id);
    add("email", user.email);
    add("name", user.name);
    add("created_at", user.created_at);
    add("updated_at", user.updated_at);
    out += '}';
    return out;
}

Event make_event(const User& user, std::string type, std::string_view traceparent) {
    Event event{
        .aggregate_type = "user",
        .aggregate_id = user.id,
        .event_type = std::move(type),
        .event_data = to_json(user),
        .partition_key = user.id};
    if (!traceparent.empty()) event.headers.emplace_back("traceparent", traceparent);
    return event;
}

}  // namespace resilience::modules::users
