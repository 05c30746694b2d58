// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_RUN_ON_WORKER_HPP
#define RESILIENCE_SRC_KAFKA_RUN_ON_WORKER_HPP

#include <resilience/asio/initiate.hpp>

#include "kafka/worker.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <utility>

namespace resilience::kafka::detail {

using resilience::detail::complete;
using resilience::detail::executor_of;

// Nothing may leave on the worker's thread: it would end the process.
template <class T, class Session, class Job>
Result<T> caught(Job& job, Session& session, const std::stop_token& stop) {
    try {
        return job(session, stop);
    } catch (const std::invalid_argument& error) {
        return fail(Errc::invalid_request, error.what());
    } catch (const std::exception& error) {
        return fail(Errc::internal, error.what());
    } catch (...) {
        return fail(Errc::internal, "an exception of an unknown type");
    }
}

/// A job with all that it needs, from its begin to its end.
template <class T, class Session, class Job>
class WorkerCall {
public:
    WorkerCall(
        net::any_io_executor executor,
        std::shared_ptr<Session> session,
        Job job,
        const Handler<T>& handler
    )
        : executor_(std::move(executor)),
          target_(executor_of(handler, executor_)),
          work_(target_),
          slot_(net::get_associated_cancellation_slot(handler)),
          session_(std::move(session)),
          job_(std::move(job)) {}

    /// From now on the call ends with the handler. Boost 1.81 never returns from moving
    /// one into another.
    void take(Handler<T>& handler) noexcept { handler_.swap(handler); }
    void give_back(Handler<T>& handler) noexcept {
        if (slot_.is_connected()) slot_.clear();
        handler_.swap(handler);
    }

    void let_cancel() {
        if (!slot_.is_connected()) return;
        slot_.assign([stop = stop_](net::cancellation_type type) mutable {
            const auto terminal = type & net::cancellation_type::terminal;
            if (terminal != net::cancellation_type::none) stop.request_stop();
        });
    }

    // On the worker's thread.
    void run() {
        auto result = caught<T>(job_, *session_, stop_.get_token());
        // The session may end with its owner now, and not on the owner's thread.
        session_.reset();
        auto finish = [handler = std::move(handler_),
                       result = std::move(result),
                       work = std::move(work_),
                       slot = slot_]() mutable {
            if (slot.is_connected()) slot.clear();
            std::move(handler)(std::move(result));
        };
        net::post(executor_, net::bind_executor(target_, std::move(finish)));
    }

private:
    using Target = decltype(executor_of(
        std::declval<const Handler<T>&>(), std::declval<const net::any_io_executor&>()
    ));
    using Slot =
        decltype(net::get_associated_cancellation_slot(std::declval<const Handler<T>&>())
        );

    net::any_io_executor executor_;
    Target target_;
    net::executor_work_guard<Target> work_;
    Slot slot_;
    std::stop_source stop_;
    std::shared_ptr<Session> session_;
    Job job_;
    Handler<T> handler_;
};

template <class T, class Session, class Job, class Runner>
struct RunOnWorker {
    net::any_io_executor executor;
    Runner* worker;
    std::shared_ptr<Session> session;
    Job job;

    // What is thrown here would leave the caller's loop and end nobody's call: so the
    // handler is kept until the worker has the job.
    void operator()(Handler<T> handler) {
        std::shared_ptr<WorkerCall<T, Session, Job>> call;
        Failure failure;
        try {
            call = std::make_shared<WorkerCall<T, Session, Job>>(
                executor, std::move(session), std::move(job), handler
            );
            call->let_cancel();
            call->take(handler);
            return worker->post([call] { call->run(); });
        } catch (const std::exception& error) {
            failure = fail(Errc::internal, error.what());
        }
        if (call && !handler) call->give_back(handler);
        call.reset();
        complete(executor, std::move(handler), Result<T>{std::move(failure)});
    }
};

/** Runs `job(session, stop token)` on the worker's thread. `terminal` cancellation asks
    the token to stop; the session lives until the job has ended.

    @par Errors
    Those of the job, and what it throws:
    @li Errc::invalid_request A std::invalid_argument: a setting is refused.
    @li Errc::internal Anything else, also where the worker could not be given the job.
*/
template <class T, class Session, class Job, class Runner>
net::awaitable<Result<T>> run_on_worker(
    net::any_io_executor executor,
    Runner& worker,
    std::shared_ptr<Session> session,
    Job job
) {
    RunOnWorker<T, Session, Job, Runner> initiate{
        std::move(executor), &worker, std::move(session), std::move(job)};
    auto result =
        co_await net::async_initiate<const net::use_awaitable_t<>&, void(Result<T>)>(
            std::move(initiate), net::use_awaitable
        );
    co_return result;
}

}  // namespace resilience::kafka::detail

#endif
