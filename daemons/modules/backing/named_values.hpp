// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_NAMED_VALUES_HPP
#define RESILIENCE_MODULES_BACKING_NAMED_VALUES_HPP

#include <optional>
#include <string_view>
#include <vector>

namespace resilience::modules::backing {

/// One name of a list, and the value that it has there.
struct NamedValue {
    std::string_view name;
    /// None: it stands alone.
    std::optional<std::string_view> value;
};

/// Takes a list apart that is written as `name=value,name,name=value`; the last one may
/// be followed by a comma. Neither names nor values are judged. Valid as long as the
/// text. Pure.
std::vector<NamedValue> read_named_values(std::string_view text);

}  // namespace resilience::modules::backing

#endif
