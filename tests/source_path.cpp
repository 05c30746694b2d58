// SPDX-License-Identifier: MIT
#include "source_path.hpp"

std::string resilience::tests::source_path(const std::string& below) {
    return SOURCE_FOLDER "/" + below;
}
