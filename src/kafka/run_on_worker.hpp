// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_RUN_ON_WORKER_HPP
#define RESILIENCE_SRC_KAFKA_RUN_ON_WORKER_HPP

#include <resilience/asio/initiate.hpp>

#include "kafka/worker.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <utility>

namespace resilience::kafka::detail {

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

template <class T, class Session, class Job>
struct RunOnWorker {
    net::any_io_executor executor;
    Worker* worker;
    std::shared_ptr<Session> session;
    Job job;

    void operator()(Handler<T> handler) {
        auto target = net::get_associated_executor(handler, executor);
        auto work = net::make_work_guard(target);
        auto slot = net::get_associated_cancellation_slot(handler);
        std::stop_source stop;
        if (slot.is_connected()) {
            slot.assign([stop](net::cancellation_type type) mutable {
                const auto terminal = type & net::cancellation_type::terminal;
                if (terminal != net::cancellation_type::none) stop.request_stop();
            });
        }
        worker->post([executor = executor,
                      session = std::move(session),
                      job = std::move(job),
                      handler = std::move(handler),
                      work = std::move(work),
                      target,
                      slot,
                      stop]() mutable {
            auto result = caught<T>(job, *session, stop.get_token());
            // The session may end with its owner now, and not on the owner's thread.
            session.reset();
            auto finish = [handler = std::move(handler),
                           result = std::move(result),
                           work = std::move(work),
                           slot]() mutable {
                if (slot.is_connected()) slot.clear();
                std::move(handler)(std::move(result));
            };
            net::post(executor, net::bind_executor(target, std::move(finish)));
        });
    }
};

/** Runs `job(session, stop token)` on the worker's thread. `terminal` cancellation asks
    the token to stop; the session lives until the job has ended.

    @par Errors
    Those of the job, and what it throws:
    @li Errc::invalid_request A std::invalid_argument: a setting is refused.
    @li Errc::internal Anything else.
*/
template <class T, class Session, class Job>
net::awaitable<Result<T>> run_on_worker(
    net::any_io_executor executor,
    Worker& worker,
    std::shared_ptr<Session> session,
    Job job
) {
    RunOnWorker<T, Session, Job> initiate{
        std::move(executor), &worker, std::move(session), std::move(job)};
    auto result =
        co_await net::async_initiate<const net::use_awaitable_t<>&, void(Result<T>)>(
            std::move(initiate), net::use_awaitable
        );
    co_return result;
}

}  // namespace resilience::kafka::detail

#endif
