// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_ROWS_HPP
#define RESILIENCE_SQLITE_ROWS_HPP

#include <resilience/asio/result.hpp>
#include <resilience/sqlite/parameter.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::sqlite {

/** One row of @ref Rows. A view: valid as long as a copy of its `Rows` lives.

    A column that does not exist is a defect of the program: `std::out_of_range`.
*/
class Row {
public:
    const Value& value(std::size_t column) const;
    bool is_null(std::size_t column) const;

    /// The column's text; empty when it is not text.
    std::string_view text(std::size_t column) const;

    /// @par Errors
    /// @li Errc::corrupt_data The column is not a whole number.
    Result<std::int64_t> int64(std::size_t column) const;

    /// @par Errors
    /// @li Errc::corrupt_data The column is not a number.
    Result<double> real(std::size_t column) const;

    /// @par Errors
    /// @li Errc::corrupt_data The column is neither 0 nor 1.
    Result<bool> boolean(std::size_t column) const;

    /// The bytes of a blob.
    /// @par Errors
    /// @li Errc::corrupt_data The column is not a blob.
    Result<std::string> bytes(std::size_t column) const;

private:
    friend class Rows;
    Row(const Value* cells, std::size_t columns) noexcept
        : cells_(cells), columns_(columns) {}

    const Value* cells_;
    std::size_t columns_;
};

/** What a statement returned.

    @par Thread safety
    An immutable value; copies share the storage.
*/
class Rows {
public:
    class iterator;

    /// No rows, no columns.
    Rows() noexcept = default;
    /// Rows of `columns` cells each, one after another in `cells`.
    Rows(std::vector<Value> cells, std::size_t columns, std::int64_t affected);

    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }
    std::size_t columns() const noexcept { return columns_; }

    /// @throws std::out_of_range There is no such row.
    Row operator[](std::size_t row) const;

    iterator begin() const noexcept;
    iterator end() const noexcept;

    /// Rows that INSERT, UPDATE or DELETE touched; 0 for other commands.
    std::int64_t affected() const noexcept { return affected_; }

private:
    std::shared_ptr<const std::vector<Value>> cells_;
    std::size_t columns_ = 0;
    std::int64_t affected_ = 0;
};

/// Iterates over @ref Rows.
class Rows::iterator {
public:
    using difference_type = std::ptrdiff_t;
    using value_type = Row;

    Row operator*() const { return (*rows_)[row_]; }
    iterator& operator++() noexcept {
        ++row_;
        return *this;
    }
    bool operator==(const iterator& other) const noexcept { return row_ == other.row_; }

private:
    friend class Rows;
    iterator(const Rows& rows, std::size_t row) noexcept : rows_(&rows), row_(row) {}

    const Rows* rows_;
    std::size_t row_;
};

inline Rows::iterator Rows::begin() const noexcept { return {*this, 0}; }
inline Rows::iterator Rows::end() const noexcept { return {*this, size()}; }

}  // namespace resilience::sqlite

#endif
