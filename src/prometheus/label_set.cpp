// SPDX-License-Identifier: MIT
#include "prometheus/label_set.hpp"

namespace resilience::prometheus::detail {

const std::string& LabelSet::place(std::string_view name) {
    if (const auto found = values_.find(name); found != values_.end()) return *found;
    if (values_.size() < most_) return *values_.emplace(name).first;
    return overflow();
}

}  // namespace resilience::prometheus::detail
