// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_PARAMETER_HPP
#define RESILIENCE_POSTGRES_PARAMETER_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::postgres {

/** A value for `$1`, `$2`, ... of a statement.

    The server takes the type from the statement's text: write a cast where the place does
    not tell it, as in `unnest($1::bigint[])`. Text must be UTF-8 without NUL.

    @par Thread safety
    A value.
*/
class Parameter {
public:
    /// NULL.
    Parameter(std::nullptr_t = nullptr) noexcept {}
    Parameter(std::nullopt_t) noexcept {}

    /// Text.
    Parameter(std::string text) noexcept : value_(std::move(text)) {}
    Parameter(std::string_view text) : value_(std::in_place, text) {}
    Parameter(const char* text) : value_(std::in_place, text) {}

    /// `true` or `false`.
    template <std::same_as<bool> Bool>
    Parameter(Bool value) : value_(std::in_place, value ? "t" : "f") {}

    /// A whole number.
    template <std::integral Integer>
    requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>)
        Parameter(Integer value)
        : value_(std::to_string(value)) {}

    /// The value, or NULL when there is none.
    template <class T>
    Parameter(const std::optional<T>& value) {
        if (value) *this = Parameter(*value);
    }

    /// Bytes, for a `bytea`.
    static Parameter binary(std::string_view bytes);

    /// `bigint[]`.
    static Parameter array(std::span<const std::int64_t> values);

    /// `text[]`.
    static Parameter array(std::span<const std::string> values);

    /// The bytes that are sent; nothing is NULL.
    const std::optional<std::string>& value() const noexcept { return value_; }
    bool is_binary() const noexcept { return binary_; }

private:
    std::optional<std::string> value_;
    bool binary_ = false;
};

/// One command with its parameters.
struct Statement {
    /// One SQL command.
    std::string sql;
    std::vector<Parameter> parameters;
    /// Whether the session keeps it prepared. False for commands that are used once.
    bool keep = true;
};

/// Collects parameters: `parameters(id, "name", nullptr)`.
template <class... Values>
std::vector<Parameter> parameters(Values&&... values) {
    std::vector<Parameter> list;
    list.reserve(sizeof...(values));
    (list.emplace_back(std::forward<Values>(values)), ...);
    return list;
}

}  // namespace resilience::postgres

#endif
