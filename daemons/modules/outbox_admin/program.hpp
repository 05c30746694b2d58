// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PROGRAM_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PROGRAM_HPP

namespace resilience::modules::outbox_admin {

/** Runs the command that the first argument names, and prints its report.

    @return 0: nothing is wrong. 1: something is, which the report tells. 2: the command
        line or a setting is at fault. 3: it could not be done; a sentence on standard
        error says why.
*/
int run_program(int argc, const char* const* argv);

}  // namespace resilience::modules::outbox_admin

#endif
