// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/failpoint.hpp>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace resilience::e2e {
namespace {

std::string text_of(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
}

int times() {
    const auto text = text_of("CHAOS_FAILPOINT_NTH");
    return text.empty() ? 1 : std::stoi(text);
}

}  // namespace

void pass(std::string_view place) {
    static const std::string chosen = text_of("CHAOS_FAILPOINT");
    static std::atomic<int> left{times()};
    if (place != chosen || --left != 0) return;
    std::raise(text_of("CHAOS_FAILPOINT_SIGNAL") == "STOP" ? SIGSTOP : SIGKILL);
}

}  // namespace resilience::e2e
