// SPDX-License-Identifier: MIT
#include "host/config.hpp"

#include "host/text.hpp"

#include <resilience/version.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include <unistd.h>

namespace resilience::host {
namespace {

// A value as a sentence may show it: on one line, and not longer than a glance.
std::string quote(std::string_view text) {
    constexpr std::size_t longest = 60;
    std::string quoted;
    append_json_string(quoted, text.substr(0, longest));
    return text.size() > longest ? quoted + "..." : quoted;
}

// Whether one insertion, removal, change or swap of neighbours makes `a` of `b`.
bool is_one_slip(std::string_view a, std::string_view b) {
    if (a.size() > b.size()) std::swap(a, b);
    if (b.size() - a.size() > 1 || a == b) return false;
    const auto first = static_cast<std::size_t>(
        std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin()
    );
    if (a.size() < b.size()) return a.substr(first) == b.substr(first + 1);
    if (a.substr(first + 1) == b.substr(first + 1)) return true;
    return a.size() > first + 1 && a[first] == b[first + 1] && a[first + 1] == b[first] &&
           a.substr(first + 2) == b.substr(first + 2);
}

bool is_option(std::string_view name) { return name.starts_with('-'); }

}  // namespace

Config::Config(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

Config& Config::declare(
    std::string name, std::string description, std::string default_text, Assign assign
) {
    if (Setting* known = find(name)) {
        known->assign.push_back(std::move(assign));
        return *this;
    }
    Setting& setting = settings_.emplace_back();
    setting.name = std::move(name);
    setting.description = std::move(description);
    setting.default_text = std::move(default_text);
    setting.assign.push_back(std::move(assign));
    return *this;
}

Config& Config::owns(std::string prefix) {
    owned_prefixes_.push_back(std::move(prefix));
    return *this;
}

Config& Config::implies(std::string_view name, bool& flag) {
    find(name)->assign.emplace_back([&flag](std::string_view) {
        flag = true;
        return std::string{};
    });
    return *this;
}

Config& Config::not_used(std::string name, std::string reason) {
    not_used_.emplace(std::move(name), std::move(reason));
    return *this;
}

Config::Setting* Config::find(std::string_view name) {
    const auto found =
        std::find_if(settings_.begin(), settings_.end(), [&](const Setting& setting) {
            return setting.name == name;
        });
    return found == settings_.end() ? nullptr : &*found;
}

bool Config::is_set(std::string_view name) const { return set_.contains(name); }

std::optional<std::string> Config::assign(const Setting& setting, std::string_view text) {
    for (const Assign& take : setting.assign) {
        const std::string expected = take(text);
        if (expected.empty()) continue;
        const std::string given = setting.is_secret ? "the value" : quote(text);
        return fmt::format("{}: {} is not {}.", setting.name, given, expected);
    }
    set_.insert(setting.name);
    return std::nullopt;
}

std::optional<std::string> Config::read_arguments(
    const std::vector<std::string>& arguments
) {
    std::size_t positional = 0;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (!is_option(argument) || argument == "-") {
            if (positional == positionals_.size()) {
                return fmt::format("The argument {} is not expected.", quote(argument));
            }
            if (auto wrong = assign(positionals_[positional++], argument)) return wrong;
            continue;
        }
        const std::size_t equals = argument.find('=');
        auto name = std::string{argument.substr(0, equals)};
        if (!name.starts_with("--")) name.insert(0, "-");
        const Setting* setting = find(name);
        if (setting == nullptr) {
            return fmt::format(
                "The option {} is unknown; --help lists the options.",
                quote(argument.substr(0, equals))
            );
        }
        if (set_.contains(name))
            return fmt::format("The option {} is given twice.", name);
        std::string_view value = "true";
        if (equals != std::string_view::npos) {
            value = argument.substr(equals + 1);
        } else if (!setting->is_flag) {
            if (i + 1 == arguments.size()) {
                return fmt::format("The option {} needs a value.", name);
            }
            value = arguments[++i];
        }
        if (auto wrong = assign(*setting, value)) return wrong;
    }
    if (positional < positionals_.size() &&
        positionals_[positional].default_text.empty()) {
        const Setting& missing = positionals_[positional];
        return fmt::format("{} is missing: {}.", missing.name, missing.description);
    }
    return std::nullopt;
}

std::optional<std::string> Config::find_slip(std::string_view name) const {
    const auto prefix = name.substr(0, name.find('_'));
    for (const Setting& setting : settings_) {
        if (is_option(setting.name) || !setting.name.starts_with(prefix)) continue;
        if (is_one_slip(name, setting.name)) return setting.name;
    }
    return std::nullopt;
}

std::optional<std::string> Config::read_environment(const Environment& environment) {
    for (const auto& [name, value] : environment) {
        if (is_option(name)) continue;
        if (const Setting* setting = find(name)) {
            if (value.empty()) continue;
            if (auto wrong = assign(*setting, value)) return wrong;
            continue;
        }
        if (name.find('_') == std::string::npos) continue;
        if (const auto found = not_used_.find(name); found != not_used_.end()) {
            if (!value.empty()) {
                notes_.push_back(
                    fmt::format("{} is not used here: {}", name, found->second)
                );
            }
            continue;
        }
        if (auto meant = find_slip(name)) {
            return fmt::format(
                "The setting {} is unknown; did you mean {}?", quote(name), *meant
            );
        }
        for (const std::string& prefix : owned_prefixes_) {
            if (name.starts_with(prefix)) {
                return fmt::format(
                    "The setting {} is unknown; --help lists the settings.", quote(name)
                );
            }
        }
    }
    return std::nullopt;
}

Config::Outcome Config::parse(
    const std::vector<std::string>& arguments, const Environment& environment
) {
    for (const std::string& argument : arguments) {
        if (argument == "--help" || argument == "-help" || argument == "-h") {
            return {0, help()};
        }
        if (argument == "--version" || argument == "-version") {
            return {0, program_ + " " RESILIENCE_VERSION_STRING "\n"};
        }
    }
    auto wrong = read_arguments(arguments);
    if (!wrong) wrong = read_environment(environment);
    if (wrong) return {2, *wrong + '\n'};
    return {};
}

std::optional<int> Config::read(int argc, const char* const* argv) {
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    Environment environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    const Outcome outcome = parse(arguments, environment);
    if (!outcome.exit_code) return std::nullopt;
    if (*outcome.exit_code == 0) {
        std::fputs(outcome.text.c_str(), stdout);
    } else {
        std::fprintf(stderr, "%s: %s", program_.c_str(), outcome.text.c_str());
    }
    return outcome.exit_code;
}

std::string Config::help() const {
    std::string usage = "usage: " + program_;
    std::string arguments;
    std::string options =
        "  --help\n      Prints this text\n"
        "  --version\n      Prints the version\n";
    std::string variables;
    for (const Setting& setting : positionals_) {
        usage += ' ' + setting.name;
        arguments += fmt::format("  {}\n      {}\n", setting.name, setting.description);
    }
    for (const Setting& setting : settings_) {
        const bool option = is_option(setting.name);
        std::string line = "  " + setting.name;
        if (!(option && setting.is_flag)) {
            line += '=' + setting.default_text;
        }
        (option ? options : variables) += line + "\n      " + setting.description + '\n';
    }
    std::string text = usage + " [options]\n" + summary_ + "\n";
    if (!arguments.empty()) text += "\nArguments:\n" + arguments;
    text += "\nOptions, with their defaults:\n" + options;
    if (!variables.empty()) {
        text += "\nEnvironment variables, with their defaults:\n" + variables;
    }
    return text;
}

}  // namespace resilience::host
