// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PIPELINE_HPP
#define RESILIENCE_PIPELINE_HPP

#include <resilience/call_context.hpp>
#include <resilience/classify.hpp>
#include <resilience/environment.hpp>
#include <resilience/pipeline_stage.hpp>

#include <resilience/detail/pipeline_call.hpp>
#include <resilience/detail/pipeline_order.hpp>
#include <resilience/detail/pipeline_stages.hpp>

#include <array>
#include <cstddef>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

namespace resilience {

/// Puts the stages of a pipeline in the order of @ref PipelineStage, however they are
/// listed. The default.
struct DefaultOrder {
    template <auto stages>
    static constexpr auto arrange = detail::default_order(stages);
};

/// Keeps the stages of a pipeline in the order in which they are listed, outermost first.
/// Orders that are known to fail do not compile.
struct AsListed {
    template <auto stages>
    static constexpr auto arrange = [] {
        std::array<std::size_t, stages.size()> order{};
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        return order;
    }();
};

/** Runs operations under several policies.

    The default order, outermost first: fallback, deadline, retry, hedge, rate limit,
    circuit breaker, bulkhead, timeout, chaos, operation. See @ref PipelineStage for its
    reasons.

    The clock is read once at the entry, once at the end of each attempt and once after
    each wait; the end of an attempt is classified once. A refusal by a policy is a value
    of the operation's result type where that can hold one: `std::expected` and its like
    with @ref Failure or `std::error_code`, `boost::system::result`, an error code, or any
    type R for which `R resilience_refuse(std::type_identity<R>, const Failure&)` stands
    in its namespace. Any other result type T comes back as `Outcome<T>`. No policy takes
   a refusal by another one for a failure of the peer.

    What the operation throws passes through every policy like a failure, is retried if
    it classifies so, and leaves `run` in the end.

    @par Object lifetimes
    A stage given as an lvalue is used in place and must outlive the pipeline and every
    call; a stage given as an rvalue is kept in the pipeline.

    @par Thread safety
    Shared objects: safe, if the stages are; all of this library's are.

    @par Example
    @code
    CircuitBreaker breaker;
    Timeout timeout{{.limit = 200ms}};
    Pipeline orders{Deadline{800ms}, Retry{{.attempts = 3}}, breaker, timeout};
    Outcome<Row> row = orders.run([&](CallContext& c) { return fetch(id, c.deadline); });
    @endcode
*/
template <class Order, class Environment, class Classifier, class... Stages>
class BasicPipeline {
    static constexpr auto listed =
        detail::StageList<sizeof...(Stages)>{detail::stage_of<Stages>()...};
    static constexpr auto order = Order::template arrange<listed>;
    static constexpr auto standing = [] {
        auto stages = listed;
        for (std::size_t i = 0; i < order.size(); ++i) stages[i] = listed[order[i]];
        return stages;
    }();
    static_assert(detail::check_order<standing>());

public:
    /// Makes a pipeline of `stages`. @see Pipeline, for the usual case.
    /// @throws std::invalid_argument A `Timeout` has a `detach_after`.
    BasicPipeline(
        Order,
        Environment environment,
        Classifier classifier,
        std::tuple<Stages...> stages
    )
        : stages_(std::move(stages)),
          environment_(std::move(environment)),
          classifier_(std::move(classifier)) {
        std::apply([](const auto&... all) { (detail::check_stage(all), ...); }, stages_);
    }

    /** Runs `operation(CallContext&)` on the calling thread. Waits where a policy waits.

        @param stop Ends the call early: waits end at once, and no further attempt begins,
            nor a first one: then the call ends with @ref Errc::cancelled. The operation
            finds it in its context.
        @return What the operation returned, or the refusal of a policy.
        @throws What the operation throws, once no policy retries it.
    */
    template <class Operation>
    auto run(Operation&& operation, std::stop_token stop = {}) {
        using R = detail::ResultOf<std::invoke_result_t<Operation&, CallContext&>>;
        detail::Call<R, Environment, Classifier> call{
            environment_,
            classifier_,
            {.now = environment_.now(), .stop = std::move(stop)}};
        detail::Ended<R> ended;
        if (call.context.stop.stop_requested()) {
            ended.refuse(fail(Errc::cancelled));
        } else {
            step<0>(call, ended, operation);
        }
        return std::move(ended).unwrap();
    }

    /// The same policies, with time, sleep and randomness from `environment`.
    template <class Other>
    auto with(Other environment) && {
        return BasicPipeline<Order, Other, Classifier, Stages...>{
            Order{}, std::move(environment), std::move(classifier_), std::move(stages_)};
    }

    /// The same policies, with results judged by `classifier(result)` instead of @ref
    /// classify; it must also take a `std::exception_ptr`.
    template <class Other>
    auto classified_by(Other classifier) && {
        return BasicPipeline<Order, Environment, Other, Stages...>{
            Order{}, std::move(environment_), std::move(classifier), std::move(stages_)};
    }

    /// The I-th stage from the outside in.
    template <std::size_t I>
    auto& stage() noexcept {
        return std::get<order[I]>(stages_);
    }

    const Environment& environment() const noexcept { return environment_; }
    const Classifier& classifier() const noexcept { return classifier_; }
    static constexpr std::size_t size() noexcept { return sizeof...(Stages); }

private:
    template <std::size_t I, class Call, class Operation>
    void step(Call& call, detail::EndOf<Call>& ended, Operation& operation) {
        if constexpr (I == sizeof...(Stages)) {
            detail::attempt(call, ended, operation);
        } else {
            const auto next = [&] { step<I + 1>(call, ended, operation); };
            detail::run_stage(stage<I>(), call, ended, next);
        }
    }

    std::tuple<Stages...> stages_;
    [[no_unique_address]] Environment environment_;
    [[no_unique_address]] Classifier classifier_;
};

/// A @ref BasicPipeline with the system's clock, made from its stages: `Pipeline{a, b}`
/// in the default order, `Pipeline{AsListed{}, a, b}` in the order given.
///
/// Making one throws `std::invalid_argument` if a `Timeout` in it has a `detach_after`.
template <class Order, class... Stages>
class Pipeline
    : public BasicPipeline<Order, SystemEnvironment, detail::Classify, Stages...> {
    using Base = BasicPipeline<Order, SystemEnvironment, detail::Classify, Stages...>;

public:
    template <class... S>
    explicit Pipeline(Order, S&&... stages)
        : Base(Order{}, {}, {}, std::tuple<Stages...>{std::forward<S>(stages)...}) {}

    template <class First, class... S>
    requires(!std::same_as<std::remove_cvref_t<First>, Order>) explicit Pipeline(
        First&& first, S&&... stages
    )
        : Base(
              Order{},
              {},
              {},
              std::tuple<Stages...>{
                  std::forward<First>(first), std::forward<S>(stages)...}
          ) {}
};

template <class... S>
Pipeline(AsListed, S&&...) -> Pipeline<AsListed, S...>;

template <class First, class... S>
requires(!std::same_as<std::remove_cvref_t<First>, AsListed>) Pipeline(First&&, S&&...)
->Pipeline<DefaultOrder, First, S...>;

}  // namespace resilience

#endif
