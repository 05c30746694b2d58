// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_PIPELINE_HPP
#define RESILIENCE_ASIO_PIPELINE_HPP

#include <resilience/asio/detail/operation.hpp>
#include <resilience/asio/detail/pipeline_stages.hpp>
#include <resilience/asio/detail/run_on.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/fallback.hpp>
#include <resilience/pipeline.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace resilience {

namespace detail {

/// The stages of a pipeline from the I-th inwards, as a coroutine to start.
template <std::size_t I, class P, class Call, class Operation>
struct CoNext {
    P* pipeline;
    Call* call;
    Operation* operation;

    /// The same stages for another call.
    CoNext with(Call& other) const { return {pipeline, &other, operation}; }

    CoEnd<Call> operator()() const {
        if constexpr (I == P::size()) {
            return co_attempt(*call, *operation);
        } else {
            return co_stage(
                pipeline->template stage<I>(),
                *call,
                CoNext<I + 1, P, Call, Operation>{pipeline, call, operation}
            );
        }
    }
};

/// What an exception that left a pipeline says where nothing may be thrown.
inline Failure refusal_for(const std::exception_ptr& thrown) {
    Failure failure = failure_in(in_std_terms(thrown));
    if (!failure.code) failure.code = Errc::internal;
    if (failure.code == std::errc::operation_canceled) {
        failure.code = Errc::cancelled_in_doubt;
    }
    return failure;
}

template <class Operation>
using CoResultOf =
    ResultOf<typename std::invoke_result_t<Operation&, CallContext&>::value_type>;

}  // namespace detail

/** Runs a coroutine under the policies of `pipeline`: see @ref BasicPipeline.

    @param operation Called once for each attempt as
        `net::awaitable<T> operation(CallContext&)`.
    @return What the operation returned, or the refusal of a policy.
    @throws std::invalid_argument A `Timeout` was given a `detach_after` since the
   pipeline was made.
    @throws What the operation throws, once no policy retries it.

    @par Cancellation
    Cancelling the calling coroutine ends waits, cancels the attempt under way, and begins
    no other. Every policy gets back what it lent, also when the coroutine is destroyed.

    @par Object lifetimes
    The pipeline outlives the call.

    @par Thread safety
    The coroutine runs on the caller's executor. Timeouts and deadlines run the operation
    as a coroutine of its own on it; if several threads run that executor, on a strand.
*/
template <class Order, class Environment, class Classifier, class... S, class Operation>
auto co_run(
    BasicPipeline<Order, Environment, Classifier, S...>& pipeline, Operation operation
) -> net::awaitable<detail::CoResultOf<Operation>> {
    using P = BasicPipeline<Order, Environment, Classifier, S...>;
    using R = detail::CoResultOf<Operation>;
    using CoEnvironment = detail::CoEnvironment<Environment>;
    using CoClassifier = detail::CoClassifier<Classifier>;
    using Call = detail::Call<R, CoEnvironment, CoClassifier>;
    net::any_io_executor executor = co_await net::this_coro::executor;
    const CoEnvironment environment{std::move(executor), pipeline.environment()};
    const CoClassifier classifier{pipeline.classifier()};
    Call call{environment, classifier, {.now = environment.now()}};
    const detail::CoNext<0, P, Call, Operation> outermost{&pipeline, &call, &operation};

    const bool throwing = co_await net::this_coro::throw_if_cancelled();
    co_await net::this_coro::throw_if_cancelled(false);
    detail::Ended<R> ended;
    try {
        detail::Ended<R> all = co_await outermost();
        ended = std::move(all);
    } catch (...) {
        ended.thrown = std::current_exception();
    }
    co_await net::this_coro::throw_if_cancelled(throwing);
    co_return std::move(ended).unwrap();
}

namespace detail {

/// Runs a pipeline in a coroutine of its own, which all types of cancellation reach.
template <class Pipeline, class Operation>
net::awaitable<CoResultOf<Operation>> co_run_whole(
    Pipeline* pipeline, Operation operation
) {
    co_await net::this_coro::reset_cancellation_state(net::enable_total_cancellation());
    co_return co_await co_run(*pipeline, std::move(operation));
}

/// What a call that ended so is completed with.
template <class R>
R result_of(RemoteOutcome<R> outcome) {
    if (outcome.error) return refused<R>(refusal_for(outcome.error));
    if (!outcome.value) return refused<R>(fail(Errc::cancelled));
    return *std::move(outcome.value);
}

}  // namespace detail

/** The same with a completion token.

    @par Completion signature
    `void(R)`, where R is what @ref co_run returns. An exception becomes a refusal with
    its error code, or @ref Errc::internal. The handler is called on its own executor,
    or else on `executor`; never from within this function.

    @par Cancellation
    All types, as for @ref co_run. A call that is cancelled before its first step does not
    begin, and is refused with @ref Errc::cancelled. A cancellation that comes when the
    call has ended is harmless, also when the context of `executor` is gone.

    @par Thread safety
    `executor` may have several threads, and need not be that of the handler. Whoever
    cancels does so from a thread that may use the handler's slot.

    @param executor Runs the coroutine and what it calls, one handler at a time. Over an
        executor that is not known to be a strand, or to be in virtual time, a strand is
        laid: the operation finds it as its executor.
*/
template <class... Parts, class Operation, class CompletionToken = net::deferred_t>
auto async_run(
    net::any_io_executor executor,
    BasicPipeline<Parts...>& pipeline,
    Operation operation,
    CompletionToken&& token = {}
) {
    using R = detail::CoResultOf<Operation>;
    return net::async_initiate<CompletionToken, void(R)>(
        [](net::any_completion_handler<void(R)> handler,
           net::any_io_executor ex,
           BasicPipeline<Parts...>* stages,
           Operation work) {
            const auto slot = net::get_associated_cancellation_slot(handler);
            auto guard = net::make_work_guard(detail::executor_of(handler, ex));
            auto finish = [ex, guard = std::move(guard), handler = std::move(handler)](
                              detail::RemoteOutcome<R> outcome
                          ) mutable {
                detail::complete(
                    ex, std::move(handler), detail::result_of(std::move(outcome))
                );
            };
            detail::run_on(
                detail::serial(ex),
                detail::co_run_whole(stages, std::move(work)),
                slot,
                std::move(finish)
            );
        },
        token,
        std::move(executor),
        &pipeline,
        std::move(operation)
    );
}

}  // namespace resilience

#endif
