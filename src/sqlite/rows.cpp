// SPDX-License-Identifier: MIT
#include <resilience/sqlite/rows.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::sqlite {
namespace {

Failure wrong_type(std::size_t column, const char* wanted) {
    return fail(
        Errc::corrupt_data, "column " + std::to_string(column) + " is not " + wanted
    );
}

}  // namespace

const Value& Row::value(std::size_t column) const {
    if (column >= columns_) throw std::out_of_range("there is no such column");
    return cells_[column];
}

bool Row::is_null(std::size_t column) const {
    return std::holds_alternative<std::monostate>(value(column));
}

std::string_view Row::text(std::size_t column) const {
    const auto* text = std::get_if<std::string>(&value(column));
    return text ? std::string_view{*text} : std::string_view{};
}

Result<std::int64_t> Row::int64(std::size_t column) const {
    if (const auto* number = std::get_if<std::int64_t>(&value(column))) return *number;
    return wrong_type(column, "a whole number");
}

Result<double> Row::real(std::size_t column) const {
    const auto& cell = value(column);
    if (const auto* number = std::get_if<double>(&cell)) return *number;
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) {
        return static_cast<double>(*whole);
    }
    return wrong_type(column, "a number");
}

Result<bool> Row::boolean(std::size_t column) const {
    const auto* number = std::get_if<std::int64_t>(&value(column));
    if (number && (*number == 0 || *number == 1)) return *number == 1;
    return wrong_type(column, "a truth value");
}

Result<std::string> Row::bytes(std::size_t column) const {
    if (const auto* blob = std::get_if<Blob>(&value(column))) return blob->bytes;
    return wrong_type(column, "a blob");
}

Rows::Rows(std::vector<Value> cells, std::size_t columns, std::int64_t affected)
    : cells_(std::make_shared<const std::vector<Value>>(std::move(cells))),
      columns_(columns),
      affected_(affected) {}

std::size_t Rows::size() const noexcept {
    return columns_ == 0 ? 0 : cells_->size() / columns_;
}

Row Rows::operator[](std::size_t row) const {
    if (row >= size()) throw std::out_of_range("there is no such row");
    return {cells_->data() + row * columns_, columns_};
}

}  // namespace resilience::sqlite
