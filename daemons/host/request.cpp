// SPDX-License-Identifier: MIT
#include "host/request.hpp"

#include "host/percent.hpp"
#include "host/text.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace resilience::host {
namespace {

constexpr std::array<std::string_view, 8> method_names = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"};

// What one connection keeps between requests, at most.
constexpr std::size_t kept_bytes = 16 * 1024;

// Whether there is nothing to decode and nothing to refuse.
bool is_plain(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7f && c != '%';
    });
}

}  // namespace

std::string_view to_string(Method method) noexcept {
    return method_names[static_cast<std::size_t>(method)];
}

Method method_of(std::string_view name) noexcept {
    for (std::size_t i = 0; i + 1 < method_names.size(); ++i) {
        if (method_names[i] == name) return static_cast<Method>(i);
    }
    return Method::other;
}

Request::Request(Method m, std::string_view target) : method(m) {
    const auto wrong = set_target(target);
    if (!wrong.empty()) throw std::invalid_argument("target: " + std::string{wrong});
}

std::string_view Request::set_target(std::string_view target) {
    query_.clear();
    path_parameters_.clear();
    target_ = target;
    const std::size_t question = target_.find('?');
    path_length_ = std::min(question, target_.size());
    if (raw_path().empty() || raw_path().front() != '/') {
        return "the path does not begin with a slash";
    }
    if (!is_plain(raw_path())) {
        std::string decoded;
        if (auto wrong = percent_decode(raw_path(), false, decoded); !wrong.empty()) {
            return wrong;
        }
    }
    if (question == std::string::npos) return {};

    std::string_view rest{target_};
    rest.remove_prefix(question + 1);
    while (!rest.empty()) {
        const auto pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        auto& [name, value] = query_.emplace_back();
        if (auto wrong = percent_decode(pair.substr(0, equals), true, name);
            !wrong.empty()) {
            return wrong;
        }
        if (equals == std::string_view::npos) continue;
        if (auto wrong = percent_decode(pair.substr(equals + 1), true, value);
            !wrong.empty()) {
            return wrong;
        }
    }
    return {};
}

std::size_t Request::query_count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(std::count_if(
        query_.begin(), query_.end(), [&](const auto& pair) { return pair.first == name; }
    ));
}

std::optional<std::string_view> Request::query(std::string_view name) const noexcept {
    for (const auto& [key, value] : query_) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
    const std::string_view text{header_text_};
    for (const auto& span : headers_) {
        if (equal_in_any_case(text.substr(span.begin, span.name_length), name)) {
            return text.substr(span.begin + span.name_length, span.value_length);
        }
    }
    return std::nullopt;
}

std::size_t Request::header_count(std::string_view name) const noexcept {
    const std::string_view text{header_text_};
    return static_cast<std::size_t>(std::count_if(
        headers_.begin(),
        headers_.end(),
        [&](const auto& span) {
            return equal_in_any_case(text.substr(span.begin, span.name_length), name);
        }
    ));
}

void Request::add_header(std::string_view name, std::string_view value) {
    headers_.push_back(
        {static_cast<std::uint32_t>(header_text_.size()),
         static_cast<std::uint32_t>(name.size()),
         static_cast<std::uint32_t>(value.size())}
    );
    header_text_ += name;
    header_text_ += value;
}

std::string_view Request::path_parameter(std::string_view name) const noexcept {
    for (const auto& [key, value] : path_parameters_) {
        if (key == name) return value;
    }
    return {};
}

void Request::reset() {
    method = Method::get;
    deadline = TimePoint::max();
    request_id.clear();
    trace = {};
    body.clear();
    if (body.capacity() > kept_bytes) body.shrink_to_fit();
    target_.clear();
    path_length_ = 0;
    query_.clear();
    path_parameters_.clear();
    header_text_.clear();
    headers_.clear();
}

}  // namespace resilience::host
