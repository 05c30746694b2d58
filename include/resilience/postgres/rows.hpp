// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_ROWS_HPP
#define RESILIENCE_POSTGRES_ROWS_HPP

#include <resilience/asio/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct pg_result;

namespace resilience::postgres {

/** One row of @ref Rows. A view: valid as long as a copy of its `Rows` lives.

    A column that does not exist is a defect of the program: `std::out_of_range`.
*/
class Row {
public:
    bool is_null(std::size_t column) const;

    /// The column's text; empty for NULL.
    std::string_view text(std::size_t column) const;

    /// @par Errors
    /// @li Errc::corrupt_data The column is NULL or not a whole number of 64 bits.
    Result<std::int64_t> int64(std::size_t column) const;

    /// @par Errors
    /// @li Errc::corrupt_data The column is NULL or not a truth value.
    Result<bool> boolean(std::size_t column) const;

    /// The bytes of a `bytea` column.
    /// @par Errors
    /// @li Errc::corrupt_data The column is NULL or not in the hexadecimal form.
    Result<std::string> bytes(std::size_t column) const;

private:
    friend class Rows;
    Row(const pg_result* result, std::size_t row) noexcept : result_(result), row_(row) {}

    const pg_result* result_;
    std::size_t row_;
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

    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }
    std::size_t columns() const noexcept;

    /// @throws std::out_of_range There is no such row.
    Row operator[](std::size_t row) const;

    iterator begin() const noexcept;
    iterator end() const noexcept;

    /// Rows that INSERT, UPDATE, DELETE, MERGE or SELECT touched; 0 for other commands.
    std::int64_t affected() const noexcept;

    /// The server's name for what was done, such as `INSERT 0 1`.
    std::string_view command() const noexcept;

private:
    friend struct RowsAccess;
    std::shared_ptr<const pg_result> result_;
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

}  // namespace resilience::postgres

#endif
