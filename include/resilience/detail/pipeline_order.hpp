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

/// Orders that are known to fail in production.
enum class OrderMistake {
    none,
    two_retries,
    two_hedges,
    breaker_outside_retry,
    breaker_outside_hedge,
    bulkhead_outside_retry,
    retry_inside_hedge,
    fallback_inside_retry,
    fallback_inside_breaker,
    deadline_inside_retry,
    timeout_outside_retry,
    timeout_outside_bulkhead,
    timeout_outside_breaker,
    chaos_not_last,
    retry_without_deadline
};

/// The first mistake in the order of `stages`, which stand from the outside in.
template <std::size_t N>
constexpr OrderMistake mistake_in(const StageList<N>& stages) {
    using enum PipelineStage;
    using enum OrderMistake;
    const auto outside = [&](PipelineStage outer, PipelineStage inner) {
        return stands_outside(stages, outer, inner);
    };
    if (count(stages, retry) > 1) return two_retries;
    if (count(stages, hedge) > 1) return two_hedges;
    if (outside(breaker, retry)) return breaker_outside_retry;
    if (outside(breaker, hedge)) return breaker_outside_hedge;
    if (outside(bulkhead, retry)) return bulkhead_outside_retry;
    if (outside(hedge, retry)) return retry_inside_hedge;
    if (outside(retry, fallback)) return fallback_inside_retry;
    if (outside(breaker, fallback)) return fallback_inside_breaker;
    if (outside(retry, deadline)) return deadline_inside_retry;
    if (outside(timeout, retry)) return timeout_outside_retry;
    if (outside(timeout, bulkhead)) return timeout_outside_bulkhead;
    if (outside(timeout, breaker)) return timeout_outside_breaker;
    if (count(stages, chaos) > 0 && stages.back() != chaos) return chaos_not_last;
    if (count(stages, retry) > 0 && count(stages, deadline) == 0) {
        return retry_without_deadline;
    }
    return none;
}

/// Refuses the mistakes, with their reasons.
template <auto stages>
consteval bool check_order() {
    using enum OrderMistake;
    constexpr OrderMistake mistake = mistake_in(stages);
    static_assert(
        mistake != two_retries,
        "two retries in one pipeline multiply their attempts: keep one"
    );
    static_assert(
        mistake != two_hedges,
        "two hedges in one pipeline multiply their attempts: keep one"
    );
    static_assert(
        mistake != breaker_outside_retry,
        "a circuit breaker outside a retry sees one failure for a whole loop of "
        "attempts: put it inside"
    );
    static_assert(
        mistake != breaker_outside_hedge,
        "a circuit breaker outside a hedge sees one outcome for several attempts: put it "
        "inside"
    );
    static_assert(
        mistake != bulkhead_outside_retry,
        "a bulkhead outside a retry holds its slot while the retry sleeps: put it inside"
    );
    static_assert(
        mistake != retry_inside_hedge,
        "a retry inside a hedge multiplies attempts while the peer is slow: put the "
        "hedge inside the retry"
    );
    static_assert(
        mistake != fallback_inside_retry,
        "a fallback inside a retry hides the failures that the retry is there for: put "
        "it outside"
    );
    static_assert(
        mistake != fallback_inside_breaker,
        "a fallback inside a circuit breaker hides the failures that the breaker counts: "
        "put it outside"
    );
    static_assert(
        mistake != deadline_inside_retry,
        "a Deadline inside a retry bounds one attempt, not the whole: put it outside, "
        "and a Timeout inside"
    );
    static_assert(
        mistake != timeout_outside_retry,
        "a Timeout outside a retry cuts an attempt short without the retry knowing: use "
        "a Deadline"
    );
    static_assert(
        mistake != timeout_outside_bulkhead,
        "a Timeout outside a bulkhead counts the wait for a slot as slowness of the "
        "peer: put it inside"
    );
    static_assert(
        mistake != timeout_outside_breaker,
        "a Timeout outside a circuit breaker hides timeouts from it: put it inside"
    );
    static_assert(
        mistake != chaos_not_last, "chaos stands where the real fault would: last"
    );
    static_assert(
        mistake != retry_without_deadline,
        "a retry without a total deadline may outlive its caller: add Deadline{...}, or "
        "NoDeadline{} to say that it is wanted"
    );
    return true;
}

}  // namespace resilience::detail

#endif
