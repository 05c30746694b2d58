// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_PROMETHEUS_REQUEST_COUNTERS_HPP
#define RESILIENCE_SRC_PROMETHEUS_REQUEST_COUNTERS_HPP

#include <resilience/classify.hpp>

#include "prometheus/counter_bank.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace resilience::prometheus::detail {

/// Why a request is an error.
struct ErrorKind {
    Verdict verdict;
    const char* name;
};
inline constexpr std::array error_kinds{
    ErrorKind{Verdict::transient, "transient"},
    ErrorKind{Verdict::throttled, "throttled"},
    ErrorKind{Verdict::permanent, "permanent"},
    ErrorKind{Verdict::ignored, "ignored"}};

/// Upper bounds of durations, ascending.
using DurationBounds = std::vector<std::chrono::nanoseconds>;

/// The requests of one name, by duration, and the errors among them.
class RequestCounters {
public:
    static constexpr std::size_t kMostBounds = 64;

    explicit RequestCounters(std::shared_ptr<const DurationBounds> bounds) noexcept
        : bounds_(std::move(bounds)) {}

    void record(Verdict verdict, std::chrono::nanoseconds took) noexcept;

    /// Requests that took no longer than bound number `i` and longer than the one
    /// before; with the number of bounds, those that took longer than all.
    std::uint64_t bucket(std::size_t i) const noexcept { return bank_.sum(i); }

    /// Nanoseconds that all requests took together.
    std::uint64_t took() const noexcept { return bank_.sum(kTook); }

    std::uint64_t errors(std::size_t kind) const noexcept {
        return bank_.sum(kErrors + kind);
    }

private:
    static constexpr std::size_t kTook = kMostBounds + 1;
    static constexpr std::size_t kErrors = kTook + 1;
    static_assert(kErrors + error_kinds.size() <= CounterBank::kWidth);

    std::shared_ptr<const DurationBounds> bounds_;
    CounterBank bank_;
};

}  // namespace resilience::prometheus::detail

#endif
