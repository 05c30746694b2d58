// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_HEADER_JSON_HPP
#define RESILIENCE_DETAIL_HEADER_JSON_HPP

#include <resilience/event.hpp>

#include <string_view>
#include <vector>

namespace resilience::detail {

/// Reads headers as an outbox table has them: a JSON object, of which a value that is no
/// string stands for its text. Anything else has no names, and so no headers. Pure.
std::vector<Header> read_headers(std::string_view json);

}  // namespace resilience::detail

#endif
