// SPDX-License-Identifier: MIT
#include <modules/backing/named_values.hpp>

#include <algorithm>

namespace resilience::modules::backing {

std::vector<NamedValue> read_named_values(std::string_view text) {
    std::vector<NamedValue> found;
    while (!text.empty()) {
        const auto one = text.substr(0, text.find(','));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        const auto equals = one.find('=');
        auto& added = found.emplace_back();
        added.name = one.substr(0, equals);
        if (equals != std::string_view::npos) added.value = one.substr(equals + 1);
    }
    return found;
}

}  // namespace resilience::modules::backing
