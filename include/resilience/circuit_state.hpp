// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_CIRCUIT_STATE_HPP
#define RESILIENCE_CIRCUIT_STATE_HPP

#include <cstdint>

namespace resilience {

/// What a @ref CircuitBreaker does with calls. The last three are entered and left only
/// by command.
enum class CircuitState : std::uint8_t {
    /// Calls go through; their ends are counted, and may open the circuit.
    closed,
    /// Calls are refused until the peer has had time to recover.
    open,
    /// A few calls go through as probes; their ends decide.
    half_open,
    /// Calls are refused until a command says otherwise.
    forced_open,
    /// Calls go through, and their ends are not counted.
    forced_closed,
    /// Calls go through and their ends are counted, but never open the circuit.
    metrics_only
};

/// The state's name, as its enumerator is spelled.
constexpr const char* to_string(CircuitState state) noexcept {
    switch (state) {
        case CircuitState::closed:
            return "closed";
        case CircuitState::open:
            return "open";
        case CircuitState::half_open:
            return "half_open";
        case CircuitState::forced_open:
            return "forced_open";
        case CircuitState::forced_closed:
            return "forced_closed";
        case CircuitState::metrics_only:
            return "metrics_only";
    }
    return "unknown";
}

}  // namespace resilience

#endif
