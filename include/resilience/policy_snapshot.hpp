// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POLICY_SNAPSHOT_HPP
#define RESILIENCE_POLICY_SNAPSHOT_HPP

#include <string>
#include <string_view>
#include <vector>

namespace resilience {

/// A number that tells how a policy stands.
struct Reading {
    /// Lives as long as the program. One that ends in `_total` is of a number that never
    /// falls, one that ends in `_seconds` of a duration.
    std::string_view name;

    double value = 0;
};

/// How a policy of a @ref Registry stands.
struct PolicySnapshot {
    /// The name under which it was added.
    std::string name;

    /// What sort of policy it is, such as `circuit_breaker`; `policy` if it does not say.
    std::string_view kind = "policy";

    /// In the order in which the policy tells them; none if it tells none.
    std::vector<Reading> readings{};

    /// Whether the policy's own snapshot threw. Then there are no readings.
    bool failed = false;
};

}  // namespace resilience

#endif
