// SPDX-License-Identifier: MIT
#include "host/json_body.hpp"

#include "host/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace resilience::host {
namespace {

namespace json = boost::json;

bool is_json_type(std::string_view type) {
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    if (equal_in_any_case(type, "application/json")) return true;
    constexpr std::string_view suffix = "+json";
    return type.size() > suffix.size() &&
           equal_in_any_case(type.substr(type.size() - suffix.size()), suffix);
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text up to a semicolon outside quotes, without the quotes.
std::string take_parameter(std::string_view& rest) {
    std::string parameter;
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest.size() && (quoted || rest[i] != ';'); ++i) {
        if (rest[i] == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && rest[i] == '\\' && i + 1 < rest.size()) ++i;
        parameter += rest[i];
    }
    // Nothing is called so, and nothing is taken for it.
    if (quoted) parameter += '"';
    rest.remove_prefix(i);
    return parameter;
}

bool has_other_charset(std::string_view type) {
    type.remove_prefix(std::min(type.find(';'), type.size()));
    while (!type.empty()) {
        type.remove_prefix(1);
        const std::string parameter = take_parameter(type);
        const std::string_view text = parameter;
        const std::size_t equals = std::min(text.find('='), text.size());
        if (!equal_in_any_case(trimmed(text.substr(0, equals)), "charset")) continue;
        const auto charset = trimmed(text.substr(std::min(equals + 1, text.size())));
        if (!equal_in_any_case(charset, "utf-8") && !equal_in_any_case(charset, "utf8")) {
            return true;
        }
    }
    return false;
}

Problem unsupported(std::string detail) {
    return {
        415,
        "unsupported-media-type",
        "The body is not JSON in UTF-8",
        std::move(detail)};
}

std::string range(std::int64_t least, std::int64_t most) {
    return fmt::format("must be a whole number from {} to {}", least, most);
}

}  // namespace

JsonBody::JsonBody(const Request& request) {
    if (const auto type = request.header("Content-Type")) {
        if (!is_json_type(*type)) {
            problem_ = unsupported("the content type must be application/json");
        } else if (has_other_charset(*type)) {
            problem_ = unsupported("the charset must be utf-8");
        }
        if (problem_) return;
    }
    if ((problem_ = read_json(request.body, owned_))) return;
    object_ = owned_.if_object();
    if (object_ == nullptr) problem_ = bad_request("the body must be a JSON object");
}

JsonBody::JsonBody(const json::value& value, std::string path)
    : object_(value.if_object()), path_(std::move(path)) {
    if (object_ == nullptr) problem_ = invalid_field(path_, "must be an object");
}

bool JsonBody::has(std::string_view field) const noexcept {
    return object_ != nullptr && object_->contains(field);
}

std::string JsonBody::full_name(std::string_view field) const {
    std::string name = path_;
    if (!name.empty() && !field.empty()) name += '.';
    return name.append(field);
}

const json::value* JsonBody::find(std::string_view field, bool required) {
    if (problem_) return nullptr;
    const json::value* value = object_->if_contains(field);
    if (value == nullptr && required) refuse(field, "is missing");
    return value;
}

std::string JsonBody::string(std::string_view field, TextRule rule) {
    const json::value* value = find(field, !rule.may_be_missing);
    if (value == nullptr) return {};
    const json::string* text = value->if_string();
    if (text == nullptr) {
        refuse(field, "must be a string");
    } else if (text->empty() && !rule.may_be_empty) {
        refuse(field, "must not be empty");
    } else if (text->size() > rule.max_bytes) {
        refuse(field, fmt::format("is longer than {} bytes", rule.max_bytes));
    } else {
        return {text->data(), text->size()};
    }
    return {};
}

std::int64_t JsonBody::integer(
    std::string_view field, std::int64_t least, std::int64_t most
) {
    const json::value* value = find(field, true);
    if (value == nullptr) return least;
    const std::int64_t* number = value->if_int64();
    if (number == nullptr || *number < least || *number > most) {
        refuse(field, range(least, most));
        return least;
    }
    return *number;
}

std::int64_t JsonBody::integer_or(
    std::string_view field, std::int64_t fallback, std::int64_t least, std::int64_t most
) {
    return has(field) ? integer(field, least, most) : fallback;
}

bool JsonBody::boolean_or(std::string_view field, bool fallback) {
    const json::value* value = find(field, false);
    if (value == nullptr) return fallback;
    if (const bool* flag = value->if_bool()) return *flag;
    refuse(field, "must be true or false");
    return fallback;
}

const json::array* JsonBody::array(std::string_view field, std::size_t most) {
    const json::value* value = find(field, true);
    if (value == nullptr) return nullptr;
    const json::array* list = value->if_array();
    if (list == nullptr) {
        refuse(field, "must be an array");
    } else if (list->size() > most) {
        refuse(field, fmt::format("has more than {} elements", most));
    } else {
        return list;
    }
    return nullptr;
}

void JsonBody::refuse(std::string_view field, std::string detail) {
    if (problem_) return;
    std::string name = full_name(field);
    detail = name + ' ' + detail;
    problem_ = invalid_field(std::move(name), std::move(detail));
}

void JsonBody::refuse(Problem problem) {
    if (!problem_) problem_ = std::move(problem);
}

}  // namespace resilience::host
