// SPDX-License-Identifier: MIT
#include "host/program.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>

namespace resilience::host {

int run_program(const char* name, const std::function<int()>& body) {
    try {
        return body();
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 1;
    }
}

}  // namespace resilience::host
