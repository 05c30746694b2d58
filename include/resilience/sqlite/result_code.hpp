// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_RESULT_CODE_HPP
#define RESILIENCE_SQLITE_RESULT_CODE_HPP

#include <resilience/error.hpp>

#include <string_view>

namespace resilience::sqlite {

/** What an extended result code of SQLite means here. Pure.

    REQUIRES: the code is that of a failure. An unknown code counts as its primary one
    (the low eight bits), an unknown primary code as @ref Errc::internal.

    @param text SQLite's words: it has no code of its own for a table that does not exist.
*/
Errc errc_of_result_code(int code, std::string_view text = {}) noexcept;

}  // namespace resilience::sqlite

#endif
