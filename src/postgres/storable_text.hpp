// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_STORABLE_TEXT_HPP
#define RESILIENCE_SRC_POSTGRES_STORABLE_TEXT_HPP

#include <string>

namespace resilience::postgres {

/// Makes of a peer's words, which may be anything, what a row's `error_message` takes: at
/// most 4,096 bytes of UTF-8 without NUL.
std::string storable(std::string text);

}  // namespace resilience::postgres

#endif
