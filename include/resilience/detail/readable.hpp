// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_READABLE_HPP
#define RESILIENCE_DETAIL_READABLE_HPP

#include <resilience/clock.hpp>
#include <resilience/policy_snapshot.hpp>

#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience::detail {

struct AnyVisitor {
    template <class Number>
    void operator()(std::string_view name, Number value) const;
};

/// A snapshot that tells what it is and what it reads.
template <class S>
concept Readable = requires(const S& snapshot, AnyVisitor visit) {
    S::kind;
    visit_readings(snapshot, visit);
};

/// How a policy stands now, in its own words; `void` if it has none.
template <class Policy>
auto snapshot_of_policy(Policy& policy, [[maybe_unused]] TimePoint now) {
    if constexpr (requires { policy.snapshot(now); }) {
        return policy.snapshot(now);
    } else if constexpr (requires { policy.snapshot(); }) {
        return policy.snapshot();
    } else if constexpr (requires { policy.stats(now); }) {
        return policy.stats(now);
    }
}

/// Writes the kind and the readings of `policy`, if it has any, to `into`.
template <class Policy>
void read_policy(void* policy, TimePoint now, PolicySnapshot& into) {
    Policy& self = *static_cast<Policy*>(policy);
    using Own = decltype(snapshot_of_policy(self, now));
    if constexpr (Readable<Own>) {
        into.kind = Own::kind;
        try {
            visit_readings(
                snapshot_of_policy(self, now),
                [&](std::string_view name, auto value) {
                    into.readings.push_back({name, static_cast<double>(value)});
                }
            );
        } catch (...) {
            into.readings.clear();
            into.failed = true;
        }
    }
}

/// The options with which a policy can be reconfigured.
template <class Policy>
using OptionsOf = std::remove_cvref_t<decltype(std::declval<const Policy&>().options())>;

}  // namespace resilience::detail

#endif
