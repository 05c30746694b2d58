// SPDX-License-Identifier: MIT
#include "host/config.hpp"
#include "host/text.hpp"

#include <resilience/event.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace resilience::host {
namespace {

using std::chrono::milliseconds;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return number;
}

std::string show(milliseconds value) {
    const auto count = value.count();
    if (count % 3'600'000 == 0 && count != 0)
        return fmt::format("{}h", count / 3'600'000);
    if (count % 60'000 == 0 && count != 0) return fmt::format("{}m", count / 60'000);
    if (count % 1000 == 0) return fmt::format("{}s", count / 1000);
    return fmt::format("{}ms", count);
}

std::string one_of(const std::vector<std::string>& words) {
    return fmt::format("one of {}", fmt::join(words, ", "));
}

}  // namespace

bool is_host_name(std::string_view text) {
    return !text.empty() && text.size() <= 253 &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
           });
}

std::optional<milliseconds> parse_duration(std::string_view text, milliseconds unit) {
    const std::size_t digits =
        std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = parse_number<std::int64_t>(text.substr(0, digits));
    if (!count) return std::nullopt;
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> suffixes{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    std::int64_t factor = unit.count();
    if (digits < text.size()) {
        const auto* found =
            std::find_if(suffixes.begin(), suffixes.end(), [&](const auto& suffix) {
                return suffix.first == text.substr(digits);
            });
        if (found == suffixes.end()) return std::nullopt;
        factor = found->second;
    }
    if (*count >
        std::numeric_limits<std::int64_t>::max() / std::max<std::int64_t>(factor, 1)) {
        return std::nullopt;
    }
    return milliseconds{*count * factor};
}

std::optional<Address> parse_address(std::string_view text, const Address& defaults) {
    Address address = defaults;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end == 1) return std::nullopt;
        const auto inside = text.substr(1, end - 1);
        if (inside.find_first_not_of("0123456789abcdefABCDEF:.") != inside.npos ||
            inside.find(':') == inside.npos) {
            return std::nullopt;
        }
        address.host = inside;
        port = text.substr(end + 1);
        if (port.empty()) return address;
        if (port.front() != ':') return std::nullopt;
        port.remove_prefix(1);
    } else if (const std::size_t colon = text.find(':');
               colon != std::string_view::npos) {
        const auto host = text.substr(0, colon);
        if (!host.empty()) {
            if (!is_host_name(host)) return std::nullopt;
            address.host = host;
        }
        port = text.substr(colon + 1);
    } else {
        // A word alone is a port: as a host it would hide a slip in `PORT`.
        port = text;
    }
    const auto number = parse_number<std::uint16_t>(port);
    if (!number) return std::nullopt;
    address.port = *number;
    return address;
}

Config& Config::string(
    std::string name, std::string& value, std::string description, Check check
) {
    return declare(
        std::move(name),
        std::move(description),
        value,
        [&value, check = std::move(check)](std::string_view text) -> std::string {
            if (!is_clean_text(text)) return "UTF-8 text";
            if (check) {
                if (auto expected = check(text); !expected.empty()) return expected;
            }
            value = text;
            return {};
        }
    );
}

Config& Config::topic(std::string name, std::string& value, std::string description) {
    return declare(
        std::move(name),
        std::move(description),
        value,
        [&value](std::string_view text) -> std::string {
            if (!is_topic_name(text)) return "1 to 249 of A-Z a-z 0-9 . _ -";
            value = text;
            return {};
        }
    );
}

Config& Config::secret(std::string name, std::string& value, std::string description) {
    const std::string key = name;
    string(std::move(name), value, std::move(description));
    find(key)->is_secret = true;
    return *this;
}

Config& Config::choice(
    std::string name,
    std::string& value,
    std::vector<std::string> words,
    std::string description
) {
    description += " (" + one_of(words) + ")";
    return declare(
        std::move(name),
        std::move(description),
        value,
        [&value, words = std::move(words)](std::string_view text) -> std::string {
            if (std::find(words.begin(), words.end(), text) == words.end()) {
                return one_of(words);
            }
            value = text;
            return {};
        }
    );
}

Config& Config::integer(
    std::string name,
    std::int64_t& value,
    std::int64_t least,
    std::int64_t most,
    std::string description
) {
    return declare(
        std::move(name),
        std::move(description),
        std::to_string(value),
        [&value, least, most](std::string_view text) -> std::string {
            const auto number = parse_number<std::int64_t>(text);
            if (!number || *number < least || *number > most) {
                return fmt::format("a whole number from {} to {}", least, most);
            }
            value = *number;
            return {};
        }
    );
}

Config& Config::number(
    std::string name, double& value, double least, double most, std::string description
) {
    return declare(
        std::move(name),
        std::move(description),
        fmt::format("{}", value),
        [&value, least, most](std::string_view text) -> std::string {
            const auto number = parse_number<double>(text);
            if (!number || !std::isfinite(*number) || *number < least || *number > most) {
                return fmt::format("a number from {} to {}", least, most);
            }
            value = *number;
            return {};
        }
    );
}

Config& Config::boolean(std::string name, bool& value, std::string description) {
    const std::string key = name;
    declare(
        std::move(name),
        std::move(description),
        value ? "true" : "false",
        [&value](std::string_view text) -> std::string {
            for (std::string_view word : {"1", "true", "yes", "on"}) {
                if (equal_in_any_case(text, word)) return value = true, std::string{};
            }
            for (std::string_view word : {"0", "false", "no", "off"}) {
                if (equal_in_any_case(text, word)) return value = false, std::string{};
            }
            return "true or false";
        }
    );
    find(key)->is_flag = true;
    return *this;
}

Config& Config::duration(
    std::string name,
    milliseconds& value,
    milliseconds unit,
    milliseconds least,
    milliseconds most,
    std::string description
) {
    return declare(
        std::move(name),
        std::move(description),
        show(value),
        [&value, unit, least, most](std::string_view text) -> std::string {
            const auto duration = parse_duration(text, unit);
            if (!duration || *duration < least || *duration > most) {
                return fmt::format(
                    "a duration from {} to {}, such as 500ms, 5s or {}",
                    show(least),
                    show(most),
                    std::max<std::int64_t>(1, least / unit)
                );
            }
            value = *duration;
            return {};
        }
    );
}

Config& Config::address(std::string name, Address& value, std::string description) {
    return declare(
        std::move(name),
        std::move(description),
        value.to_string(),
        [&value](std::string_view text) -> std::string {
            auto address = parse_address(text, value);
            if (!address) return "an address such as host:port, :port or port";
            value = std::move(*address);
            return {};
        }
    );
}

Config& Config::addresses(
    std::string name, std::vector<Address>& value, std::string description
) {
    std::string shown;
    for (const auto& address : value) {
        if (!shown.empty()) shown += ',';
        shown += address.to_string();
    }
    const Address defaults = value.empty() ? Address{} : value.front();
    return declare(
        std::move(name),
        std::move(description),
        std::move(shown),
        [&value, defaults](std::string_view text) -> std::string {
            std::vector<Address> list;
            while (true) {
                const auto one = text.substr(0, text.find(','));
                auto address = parse_address(one, defaults);
                if (!address) return "addresses such as host:port,host:port";
                list.push_back(std::move(*address));
                if (one.size() == text.size()) break;
                text.remove_prefix(one.size() + 1);
            }
            value = std::move(list);
            return {};
        }
    );
}

Config& Config::positional(
    std::string name,
    std::string& value,
    std::vector<std::string> words,
    std::string description
) {
    Setting setting;
    setting.name = std::move(name);
    setting.description = std::move(description);
    if (!words.empty()) setting.description += " (" + one_of(words) + ")";
    setting.default_text = value;
    setting.assign.emplace_back(
        [&value, words = std::move(words)](std::string_view text) -> std::string {
            if (!words.empty() &&
                std::find(words.begin(), words.end(), text) == words.end()) {
                return one_of(words);
            }
            value = text;
            return {};
        }
    );
    positionals_.push_back(std::move(setting));
    return *this;
}

}  // namespace resilience::host
