// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_LABEL_SET_HPP
#define RESILIENCE_SRC_PROMETHEUS_LABEL_SET_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::prometheus::detail {

/// The value of a label that stands for all that have no place.
inline constexpr const char* other_value = "_OTHER";

/// The values that a label may have, or several together: those that came first, for
/// ever. Not thread-safe.
class LabelSet {
public:
    explicit LabelSet(std::size_t most, std::string other = other_value) noexcept
        : most_(most), other_(std::move(other)) {}

    /// The value that stands for `name`: itself, or the other if there is no place left.
    /// Lives as long as the set.
    const std::string& place(std::string_view name);

    /// The other, for what may have no place; counts as if there were none left.
    const std::string& overflow() noexcept {
        ++overflows_;
        return other_;
    }

    /// Times that there was no place left.
    std::uint64_t overflows() const noexcept { return overflows_; }

private:
    std::size_t most_;
    std::set<std::string, std::less<>> values_;
    const std::string other_;
    std::uint64_t overflows_ = 0;
};

}  // namespace resilience::prometheus::detail

#endif
