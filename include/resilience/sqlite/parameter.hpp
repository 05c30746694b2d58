// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_PARAMETER_HPP
#define RESILIENCE_SQLITE_PARAMETER_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace resilience::sqlite {

/// Bytes of no encoding.
struct Blob {
    std::string bytes;
    bool operator==(const Blob&) const = default;
};

/// What a cell holds; nothing is NULL.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

/** A value for `?1`, `?2`, ... of a statement. Text must be UTF-8.

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
    Parameter(std::string_view text) : value_(std::string{text}) {}
    Parameter(const char* text) : value_(std::string{text}) {}

    /// 1 or 0, as SQLite keeps truth values.
    template <std::same_as<bool> Bool>
    Parameter(Bool value) noexcept : value_(std::int64_t{value}) {}

    /// A whole number.
    template <std::integral Integer>
    requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>)
        Parameter(Integer value)
    noexcept : value_(static_cast<std::int64_t>(value)) {}

    /// A number.
    Parameter(double value) noexcept : value_(value) {}

    /// Bytes.
    Parameter(Blob blob) noexcept : value_(std::move(blob)) {}

    /// The value, or NULL when there is none.
    template <class T>
    Parameter(const std::optional<T>& value) {
        if (value) *this = Parameter(*value);
    }

    const Value& value() const noexcept { return value_; }

private:
    Value value_;
};

/// Collects parameters: `parameters(id, "name", nullptr)`.
template <class... Values>
std::vector<Parameter> parameters(Values&&... values) {
    std::vector<Parameter> list;
    list.reserve(sizeof...(values));
    (list.emplace_back(std::forward<Values>(values)), ...);
    return list;
}

}  // namespace resilience::sqlite

#endif
