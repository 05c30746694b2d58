// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PIPELINE_STAGE_HPP
#define RESILIENCE_PIPELINE_STAGE_HPP

#include <resilience/admission.hpp>
#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace resilience {

/** Where a policy stands in a pipeline, from the outside in.

    A class joins pipelines by a member `static constexpr PipelineStage pipeline_stage`,
    and by being what its place needs: a @ref Guard, or one of the library's own waiting
    policies.

    The order has reasons. Attempts reach the breaker, not loops of attempts. The breaker
    sees timeouts. An open breaker costs no slot. The timer of an attempt starts once its
    slot is won. Faults are injected where real ones would come from.
*/
enum class PipelineStage : std::uint8_t {
    fallback,
    deadline,
    retry,
    hedge,
    rate_limit,
    breaker,
    bulkhead,
    timeout,
    chaos
};

/** A policy that decides whether a call may start and is told how it ended.

    `try_acquire(now)` yields a permit. A permit that is false tells `retry_after()`; one
    that is true is told `done(verdict, now)` once, and counts as abandoned if it is
    destroyed before. If it has `waited(nanoseconds)`, it is told before that how much of
    the time since `try_acquire` was spent on waits for a slot inside. `refusal` is the
    code of a refused call.
*/
template <class G>
concept Guard = requires(G& guard, TimePoint now) {
    { G::refusal } -> std::convertible_to<Errc>;
    { G::pipeline_stage } -> std::convertible_to<PipelineStage>;
    {static_cast<bool>(guard.try_acquire(now))};
    { guard.try_acquire(now).retry_after() } -> std::same_as<std::chrono::nanoseconds>;
    guard.try_acquire(now).done(Verdict::success, now);
};

namespace detail {

/// A limiter as it stands in a pipeline: one token for each attempt.
template <class L>
concept LimiterStage = requires(L& limiter, TimePoint now) {
    { limiter.try_acquire(1u, now) } -> std::same_as<Admission>;
};

template <class S>
consteval PipelineStage stage_of() {
    using Policy = std::remove_cvref_t<S>;
    if constexpr (requires { Policy::pipeline_stage; }) {
        return Policy::pipeline_stage;
    } else {
        static_assert(
            LimiterStage<Policy>,
            "a stage of a pipeline needs a static member pipeline_stage, or to be a rate "
            "limiter"
        );
        return PipelineStage::rate_limit;
    }
}

}  // namespace detail
}  // namespace resilience

#endif
