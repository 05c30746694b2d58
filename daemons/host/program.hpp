// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_PROGRAM_HPP
#define RESILIENCE_HOST_PROGRAM_HPP

#include <functional>

namespace resilience::host {

/** Runs the body of a `main`.

    @param name Stands before the sentence on standard error when the body throws.
    @return What the body returns; 2 when it throws `std::invalid_argument`, which names a
        setting that is at fault, and 1 after any other exception.
*/
int run_program(const char* name, const std::function<int()>& body);

}  // namespace resilience::host

#endif
