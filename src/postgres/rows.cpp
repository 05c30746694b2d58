// SPDX-License-Identifier: MIT
#include <resilience/postgres/rows.hpp>

#include "libpq.hpp"

#include <charconv>
#include <stdexcept>

namespace resilience::postgres {
namespace {

int column_of(const pg_result* result, std::size_t column) {
    if (column >= static_cast<std::size_t>(PQnfields(result))) {
        throw std::out_of_range("no column " + std::to_string(column));
    }
    return static_cast<int>(column);
}

Failure unreadable(std::size_t column, const char* wanted) {
    return fail(
        Errc::corrupt_data, "column " + std::to_string(column) + ": is not " + wanted
    );
}

int nibble(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

bool Row::is_null(std::size_t column) const {
    return PQgetisnull(result_, static_cast<int>(row_), column_of(result_, column)) != 0;
}

std::string_view Row::text(std::size_t column) const {
    const int index = column_of(result_, column);
    const int row = static_cast<int>(row_);
    return {
        PQgetvalue(result_, row, index),
        static_cast<std::size_t>(PQgetlength(result_, row, index))};
}

Result<std::int64_t> Row::int64(std::size_t column) const {
    const auto value = text(column);
    std::int64_t number = 0;
    const auto end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, number);
    if (value.empty() || read.ec != std::errc{} || read.ptr != end) {
        return unreadable(column, "a 64-bit whole number");
    }
    return number;
}

Result<bool> Row::boolean(std::size_t column) const {
    const auto value = text(column);
    if (value == "t") return true;
    if (value == "f") return false;
    return unreadable(column, "a truth value");
}

Result<std::string> Row::bytes(std::size_t column) const {
    auto value = text(column);
    if (!value.starts_with("\\x") || value.size() % 2 != 0) {
        return unreadable(column, "bytes in hexadecimal");
    }
    value.remove_prefix(2);
    std::string bytes;
    bytes.reserve(value.size() / 2);
    for (std::size_t i = 0; i < value.size(); i += 2) {
        const int high = nibble(value[i]);
        const int low = nibble(value[i + 1]);
        if (high < 0 || low < 0) return unreadable(column, "bytes in hexadecimal");
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

std::size_t Rows::size() const noexcept {
    return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0;
}

std::size_t Rows::columns() const noexcept {
    return result_ ? static_cast<std::size_t>(PQnfields(result_.get())) : 0;
}

Row Rows::operator[](std::size_t row) const {
    if (row >= size()) throw std::out_of_range("no row " + std::to_string(row));
    return {result_.get(), row};
}

// libpq takes both by non-const pointer and changes nothing.
std::int64_t Rows::affected() const noexcept {
    if (!result_) return 0;
    const std::string_view text = PQcmdTuples(const_cast<pg_result*>(result_.get()));
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string_view Rows::command() const noexcept {
    return result_ ? PQcmdStatus(const_cast<pg_result*>(result_.get())) : "";
}

}  // namespace resilience::postgres
