// SPDX-License-Identifier: MIT
#include "host/json_body.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace resilience::host {

std::optional<std::string_view> QueryReader::find(std::string_view name, bool required) {
    if (problem_) return std::nullopt;
    const std::size_t count = request_->query_count(name);
    if (count > 1) {
        refuse(name, "is given more than once");
        return std::nullopt;
    }
    if (count == 0 && required) refuse(name, "is missing");
    return request_->query(name);
}

std::string QueryReader::string(std::string_view name, TextRule rule) {
    const auto text = find(name, !rule.may_be_missing);
    if (!text) return {};
    if (text->empty() && !rule.may_be_empty) {
        refuse(name, "must not be empty");
    } else if (text->size() > rule.max_bytes) {
        refuse(name, fmt::format("is longer than {} bytes", rule.max_bytes));
    } else {
        return std::string{*text};
    }
    return {};
}

std::int64_t QueryReader::integer(
    std::string_view name, std::int64_t least, std::int64_t most
) {
    const auto text = find(name, true);
    if (!text) return least;
    std::int64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    if (error != std::errc{} || stop != end || number < least || number > most) {
        refuse(name, fmt::format("must be a whole number from {} to {}", least, most));
        return least;
    }
    return number;
}

std::int64_t QueryReader::integer_or(
    std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most
) {
    return has(name) ? integer(name, least, most) : fallback;
}

void QueryReader::refuse(std::string_view name, std::string detail) {
    if (problem_) return;
    detail = std::string{name} + ' ' + detail;
    problem_ = invalid_field(std::string{name}, std::move(detail));
}

}  // namespace resilience::host
