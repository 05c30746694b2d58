// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_LABEL_SET_HPP
#define RESILIENCE_SRC_PROMETHEUS_LABEL_SET_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace resilience::prometheus::detail {

/// The values that a label may have: those that came first, for ever. Not thread-safe.
class LabelSet {
public:
    explicit LabelSet(std::size_t most) noexcept : most_(most) {}

    /// The value that stands for `name`: itself, or `other` if there is no place left.
    /// Lives as long as the set.
    const std::string& place(std::string_view name);

    /// Times that there was no place left.
    std::uint64_t overflows() const noexcept { return overflows_; }

private:
    std::size_t most_;
    std::set<std::string, std::less<>> values_;
    const std::string other_ = "other";
    std::uint64_t overflows_ = 0;
};

}  // namespace resilience::prometheus::detail

#endif
