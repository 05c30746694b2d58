// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_SQLSTATE_HPP
#define RESILIENCE_POSTGRES_SQLSTATE_HPP

#include <resilience/error.hpp>

#include <string_view>

namespace resilience::postgres {

/** What the server's five-character code means here.

    A statement that the server answered with an error had no effect, so only the codes
    that end the session are in doubt. A text that is not five characters long is
    @ref Errc::protocol_error.
*/
Errc errc_of_sqlstate(std::string_view sqlstate) noexcept;

}  // namespace resilience::postgres

#endif
