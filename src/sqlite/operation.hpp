// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_OPERATION_HPP
#define RESILIENCE_SQLITE_OPERATION_HPP

#include <resilience/asio/initiate.hpp>

#include "interrupt.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace resilience::sqlite::detail {

struct TransactionState;
using TransactionPointer = std::shared_ptr<TransactionState>;

/// Something that waits for the worker's thread.
class Operation {
public:
    Operation(TimePoint until, TransactionPointer of)
        : deadline(until), interrupt(until), transaction(std::move(of)) {}
    virtual ~Operation() = default;

    /// Runs on the worker's thread and completes.
    virtual void perform() = 0;

    /// Completes without having run. Safe on any thread.
    virtual void refuse(Failure failure) = 0;

    const TimePoint deadline;
    Interrupt interrupt;
    /// The transaction it belongs to, if any.
    const TransactionPointer transaction;
};

/// An operation that completes a handler of `T`.
template <class T>
class TypedOperation final : public Operation {
public:
    using Work = std::function<Result<T>(TypedOperation&)>;

    TypedOperation(
        net::any_io_executor executor,
        Handler<T> handler,
        Work work,
        TimePoint until,
        TransactionPointer of
    )
        : Operation(until, std::move(of)),
          handler_(std::move(handler)),
          work_(std::move(work)),
          busy_(net::make_work_guard(executor)),
          handler_busy_(
              net::make_work_guard(resilience::detail::executor_of(handler_, executor))
          ) {}

    auto cancellation_slot() const {
        return net::get_associated_cancellation_slot(handler_);
    }

    void perform() override {
        try {
            complete(work_(*this));
        } catch (const std::bad_alloc&) {
            complete(fail(Errc::unavailable, "out of memory"));
        } catch (const std::exception& e) {
            complete(fail(Errc::internal, e.what()));
        }
    }

    // The hop keeps the handler from running inside of the call that was refused.
    void refuse(Failure failure) override {
        net::post(
            busy_.get_executor(),
            [handler = std::move(handler_),
             busy = std::move(handler_busy_),
             failure = std::move(failure)]() mutable {
                net::dispatch(
                    busy.get_executor(),
                    [handler = std::move(handler), failure = std::move(failure)](
                    ) mutable { std::move(handler)(Result<T>(std::move(failure))); }
                );
            }
        );
        busy_.reset();
    }

private:
    void complete(Result<T> result) {
        net::dispatch(
            handler_busy_.get_executor(),
            [handler = std::move(handler_), result = std::move(result)]() mutable {
                std::move(handler)(std::move(result));
            }
        );
        handler_busy_.reset();
        busy_.reset();
    }

    Handler<T> handler_;
    Work work_;
    net::executor_work_guard<net::any_io_executor> busy_;
    net::executor_work_guard<net::any_completion_executor> handler_busy_;
};

}  // namespace resilience::sqlite::detail

#endif
