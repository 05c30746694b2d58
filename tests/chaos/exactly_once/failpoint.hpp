// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_FAILPOINT_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_FAILPOINT_HPP

#include <array>
#include <string_view>

namespace resilience::e2e {

/// The places at which @ref pass may end a program: before and after each of the ten
/// steps of a delivery. A wait of the sink comes after its last message and before its
/// commit, so what is after the one is before the other.
inline constexpr std::array failpoints{
    std::string_view{"before look"},      std::string_view{"after look"},
    std::string_view{"before gate"},      std::string_view{"after gate"},
    std::string_view{"before read"},      std::string_view{"after read"},
    std::string_view{"before begin"},     std::string_view{"after begin"},
    std::string_view{"before produce"},   std::string_view{"after produce"},
    std::string_view{"before position"},  std::string_view{"after position"},
    std::string_view{"before reports"},   std::string_view{"after reports"},
    std::string_view{"before commit"},    std::string_view{"commit sent"},
    std::string_view{"commit answered"},  std::string_view{"after commit"},
    std::string_view{"before advance"},   std::string_view{"after advance"},
    std::string_view{"before take-over"}, std::string_view{"after take-over"},
    std::string_view{"after fence"}};

/// Ends the program by SIGKILL, or stops it if CHAOS_FAILPOINT_SIGNAL is STOP, when
/// CHAOS_FAILPOINT names this place and it is passed for the CHAOS_FAILPOINT_NTH time.
/// Safe from every thread.
void pass(std::string_view place);

}  // namespace resilience::e2e

#endif
