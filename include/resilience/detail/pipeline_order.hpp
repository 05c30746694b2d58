// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_PIPELINE_ORDER_HPP
#define RESILIENCE_DETAIL_PIPELINE_ORDER_HPP

#include <resilience/pipeline_stage.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace resilience::detail {

template <std::size_t N>
using StageList = std::array<PipelineStage, N>;

/// Where the stages of a pipeline stand, from the outside in, as indices of the list
/// given. Stages of one kind keep their order.
template <std::size_t N>
constexpr std::array<std::size_t, N> default_order(const StageList<N>& stages) {
    std::array<std::size_t, N> order{};
    for (std::size_t i = 0; i < N; ++i) order[i] = i;
    // Insertion sort: std::stable_sort is not constexpr in C++20.
    for (std::size_t i = 1; i < N; ++i) {
        for (std::size_t j = i; j > 0 && stages[order[j]] < stages[order[j - 1]]; --j) {
            std::swap(order[j], order[j - 1]);
        }
    }
    return order;
}

template <std::size_t N>
constexpr std::size_t count(const StageList<N>& stages, PipelineStage kind) {
    return static_cast<std::size_t>(std::count(stages.begin(), stages.end(), kind));
}

/// Whether some stage of kind `outer` stands outside one of kind `inner`.
template <std::size_t N>
constexpr bool stands_outside(
    const StageList<N>& stages, PipelineStage outer, PipelineStage inner
) {
    const auto first = std::find(stages.begin(), stages.end(), outer);
    return std::find(first, stages.end(), inner) != stages.end();
}

/// Refuses, with the reason, the orders that are known to fail in production. `stages`
/// stand from the outside in.
template <auto stages>
consteval bool check_order() {
    using enum PipelineStage;
    static_assert(
        count(stages, retry) <= 1,
        "two retries in one pipeline multiply their attempts: keep one"
    );
    static_assert(
        count(stages, hedge) <= 1,
        "two hedges in one pipeline multiply their attempts: keep one"
    );
    static_assert(
        !stands_outside(stages, breaker, retry),
        "a circuit breaker outside a retry sees one failure for a whole loop of "
        "attempts: "
        "put it inside"
    );
    static_assert(
        !stands_outside(stages, breaker, hedge),
        "a circuit breaker outside a hedge sees one outcome for several attempts: put it "
        "inside"
    );
    static_assert(
        !stands_outside(stages, bulkhead, retry),
        "a bulkhead outside a retry holds its slot while the retry sleeps: put it inside"
    );
    static_assert(
        !stands_outside(stages, hedge, retry),
        "a retry inside a hedge multiplies attempts while the peer is slow: put the "
        "hedge "
        "inside the retry"
    );
    static_assert(
        !stands_outside(stages, retry, fallback),
        "a fallback inside a retry hides the failures that the retry is there for: put "
        "it outside"
    );
    static_assert(
        !stands_outside(stages, breaker, fallback),
        "a fallback inside a circuit breaker hides the failures that the breaker counts: "
        "put it outside"
    );
    static_assert(
        !stands_outside(stages, retry, deadline),
        "a Deadline inside a retry bounds one attempt, not the whole: put it outside, "
        "and "
        "a Timeout inside"
    );
    static_assert(
        !stands_outside(stages, timeout, retry),
        "a Timeout outside a retry cuts an attempt short without the retry knowing: use "
        "a "
        "Deadline"
    );
    static_assert(
        !stands_outside(stages, timeout, bulkhead),
        "a Timeout outside a bulkhead counts the wait for a slot as slowness of the "
        "peer: "
        "put it inside"
    );
    static_assert(
        !stands_outside(stages, timeout, breaker),
        "a Timeout outside a circuit breaker hides timeouts from it: put it inside"
    );
    static_assert(
        count(stages, chaos) == 0 || stages.back() == chaos,
        "chaos stands where the real fault would: last"
    );
    static_assert(
        count(stages, retry) == 0 || count(stages, deadline) > 0,
        "a retry without a total deadline may outlive its caller: add Deadline{...}, or "
        "NoDeadline{} to say that it is wanted"
    );
    return true;
}

}  // namespace resilience::detail

#endif
