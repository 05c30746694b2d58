// SPDX-License-Identifier: MIT
#include "host/json_text.hpp"

#include <resilience/detail/utf8.hpp>

#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value_stack.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace resilience::host {
namespace {

namespace json = boost::json;

constexpr std::size_t most_depth = 32;

// Builds the value, refuses a second member of one name, which Boost.JSON's own builder
// lets replace the first, and knows where it is when the parser stops.
class Builder {
    using error_code = boost::system::error_code;
    using string_view = json::string_view;

public:
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    Builder() { stack_.reset(); }

    /// The path of the value being read.
    std::string path() const {
        std::string text;
        for (const Level& level : levels_) {
            if (level.is_array) {
                text += fmt::format("[{}]", level.index);
                continue;
            }
            // A name that cannot be shown is reported as what holds it.
            if (!level.in_member || !resilience::detail::is_storable_text(level.name)) {
                break;
            }
            if (!text.empty()) text += '.';
            text += level.name;
        }
        return text;
    }

    /// Whether it stopped the parser itself: the path is that of a second member.
    bool found_second() const noexcept { return found_second_; }

    json::value release() { return stack_.release(); }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) { return begin(false); }
    bool on_array_begin(error_code&) { return begin(true); }
    bool on_object_end(std::size_t members, error_code&) {
        stack_.push_object(members);
        levels_.pop_back();
        return end();
    }
    bool on_array_end(std::size_t elements, error_code&) {
        stack_.push_array(elements);
        levels_.pop_back();
        return end();
    }
    bool on_key_part(string_view part, std::size_t, error_code&) {
        stack_.push_chars(part);
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view rest, std::size_t, error_code& error) {
        stack_.push_key(rest);
        Level& level = levels_.back();
        level.name = std::exchange(name_, {}).append(rest.data(), rest.size());
        level.in_member = true;
        // A name that cannot be shown is refused as such afterwards.
        if (level.names.insert(level.name).second ||
            !resilience::detail::is_storable_text(level.name)) {
            return true;
        }
        found_second_ = true;
        error = make_error_code(boost::system::errc::invalid_argument);
        return false;
    }
    bool on_string_part(string_view part, std::size_t, error_code&) {
        stack_.push_chars(part);
        return true;
    }
    bool on_string(string_view rest, std::size_t, error_code&) {
        stack_.push_string(rest);
        return end();
    }
    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t number, string_view, error_code&) {
        stack_.push_int64(number);
        return end();
    }
    bool on_uint64(std::uint64_t number, string_view, error_code&) {
        stack_.push_uint64(number);
        return end();
    }
    bool on_double(double number, string_view, error_code&) {
        stack_.push_double(number);
        return end();
    }
    bool on_bool(bool flag, error_code&) {
        stack_.push_bool(flag);
        return end();
    }
    bool on_null(error_code&) {
        stack_.push_null();
        return end();
    }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

private:
    // An array or object that is being read.
    struct Level {
        bool is_array = false;
        bool in_member = false;
        std::size_t index = 0;
        std::string name = {};
        std::unordered_set<std::string> names = {};
    };

    bool begin(bool is_array) {
        levels_.push_back({is_array});
        return true;
    }

    // A value is complete.
    bool end() {
        if (levels_.empty()) return true;
        ++levels_.back().index;
        levels_.back().in_member = false;
        return true;
    }

    json::value_stack stack_;
    std::vector<Level> levels_;
    std::string name_;
    bool found_second_ = false;
};

// The number of an escape such as \u00e9 with which `text` begins.
std::optional<unsigned> escaped_unit(std::string_view text) {
    if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
    unsigned unit = 0;
    const auto [stop, error] = std::from_chars(&text[2], &text[2] + 4, unit, 16);
    if (error != std::errc{} || stop != &text[2] + 4) return std::nullopt;
    return unit;
}

// Whether the parser stopped at half of a surrogate pair. Its error does not tell: it
// depends on the half and on what follows.
bool is_half_pair(std::string_view text, std::size_t stopped_at) {
    const auto is_leading = [](unsigned unit) { return unit >= 0xd800 && unit < 0xdc00; };
    const auto is_trailing = [](unsigned unit) {
        return unit >= 0xdc00 && unit < 0xe000;
    };
    bool in_string = false;
    for (std::size_t i = 0; i < text.size() && i <= stopped_at; ++i) {
        if (text[i] == '"') in_string = !in_string;
        if (!in_string || text[i] != '\\') continue;
        const auto unit = escaped_unit(text.substr(i));
        if (!unit) {
            ++i;
        } else if (is_leading(*unit)) {
            const auto next = escaped_unit(text.substr(i + 6));
            if (!next || !is_trailing(*next)) return true;
            i += 11;
        } else if (is_trailing(*unit)) {
            return true;
        }
    }
    return false;
}

Problem finding(
    std::string_view text,
    std::size_t stopped_at,
    const Builder& builder,
    const boost::system::error_code& error
) {
    std::string field = builder.path();
    if (builder.found_second()) {
        std::string detail = field + " is given more than once";
        return invalid_field(std::move(field), std::move(detail));
    }
    if (is_half_pair(text, stopped_at)) {
        std::string detail = field.empty() ? "the body" : field;
        return invalid_field(
            std::move(field), detail + " holds half of a surrogate pair without the other"
        );
    }
    constexpr unsigned char first_printable = 0x20;
    if (!field.empty() && stopped_at < text.size() &&
        static_cast<unsigned char>(text[stopped_at]) < first_printable) {
        std::string detail = field + " holds a control character that is not escaped";
        return invalid_field(std::move(field), std::move(detail));
    }
    return bad_request("the body is not valid JSON: " + error.message());
}

// Where the first text is that no store takes: broken UTF-8, or NUL. The path is
// made on the way back alone: a long name is not copied for each of many elements.
std::optional<std::string> find_unstorable(const json::value& value) {
    using resilience::detail::is_storable_text;
    if (const auto* text = value.if_string()) {
        if (!is_storable_text(*text)) return std::string{};
    } else if (const auto* list = value.if_array()) {
        for (std::size_t i = 0; i < list->size(); ++i) {
            if (auto inner = find_unstorable((*list)[i])) {
                return inner->insert(0, fmt::format("[{}]", i));
            }
        }
    } else if (const auto* object = value.if_object()) {
        for (const auto& member : *object) {
            const std::string_view name{member.key()};
            if (!is_storable_text(name)) return std::string{};
            if (auto inner = find_unstorable(member.value())) {
                return inner->insert(0, name).insert(0, 1, '.');
            }
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<Problem> read_json(std::string_view text, json::value& value) {
    json::parse_options options;
    options.max_depth = most_depth;
    // Checked afterwards, where the field can be named.
    options.allow_invalid_utf8 = true;
    json::basic_parser<Builder> parser{options};
    boost::system::error_code error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    if (!error && read < text.size()) error = json::error::extra_data;
    if (error) return finding(text, read, parser.handler(), error);
    value = parser.handler().release();
    if (auto field = find_unstorable(value)) {
        if (field->starts_with('.')) field->erase(0, 1);
        return invalid_field(std::move(*field), "must be UTF-8 text without NUL");
    }
    return std::nullopt;
}

}  // namespace resilience::host
