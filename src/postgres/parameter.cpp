// SPDX-License-Identifier: MIT
#include <resilience/postgres/parameter.hpp>

namespace resilience::postgres {

Parameter Parameter::binary(std::string_view bytes) {
    Parameter parameter{bytes};
    parameter.binary_ = true;
    return parameter;
}

Parameter Parameter::array(std::span<const std::int64_t> values) {
    std::string text = "{";
    for (const auto value : values) {
        if (text.size() > 1) text += ',';
        text += std::to_string(value);
    }
    return Parameter{text + '}'};
}

Parameter Parameter::array(std::span<const std::string> values) {
    std::string text = "{";
    for (const auto& value : values) {
        if (text.size() > 1) text += ',';
        // Quoted always: an element may be empty, the word NULL, or hold a comma.
        text += '"';
        for (const char c : value) {
            if (c == '"' || c == '\\') text += '\\';
            text += c;
        }
        text += '"';
    }
    return Parameter{text + '}'};
}

}  // namespace resilience::postgres
