// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_JSON_TEXT_HPP
#define RESILIENCE_HOST_JSON_TEXT_HPP

#include "host/problem.hpp"

#include <boost/json/value.hpp>

#include <optional>
#include <string_view>

namespace resilience::host {

/** Reads a text that is one value of JSON, nested at most 32 deep.

    Stricter than JSON itself: every string is UTF-8 without NUL, escaped ones included,
    and no object has two members of one name.

    @param value Takes the value when nothing is wrong.
    @return The first finding, with the member's path such as `requests[3].key` as its
        field where one is at fault.
*/
std::optional<Problem> read_json(std::string_view text, boost::json::value& value);

}  // namespace resilience::host

#endif
