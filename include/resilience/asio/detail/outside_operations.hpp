// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_DETAIL_OUTSIDE_OPERATIONS_HPP
#define RESILIENCE_ASIO_DETAIL_OUTSIDE_OPERATIONS_HPP

#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/context_as.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace resilience::detail {

/// An operation whose end comes from a thread that is none of its context's.
class OutsideOperation {
public:
    /// Destroys the handler, because its context ends.
    virtual void abandon() noexcept = 0;

protected:
    ~OutsideOperation() = default;
};

/// The operations of one context that outside threads will complete, or who may not any
/// more once the context has ended. Outlives the context.
class OutsideOperations {
public:
    using List = std::list<std::shared_ptr<OutsideOperation>>;
    using Place = List::iterator;

    /// Keeps an operation until it completes or its context ends.
    Place add(std::shared_ptr<OutsideOperation> operation) {
        const std::lock_guard lock{mutex_};
        return operations_.insert(operations_.end(), std::move(operation));
    }

    /// Moves an operation to `taken`. Returns false if the context ends: its handler is
    /// gone. Else the context lasts until @ref completed.
    bool begin_completion(Place place, List& taken) noexcept {
        const std::lock_guard lock{mutex_};
        if (ended_) return false;
        taken.splice(taken.end(), operations_, place);
        ++completing_;
        return true;
    }

    /// @param kept Is kept until its context ends: the operation, if it could not be
    ///     completed.
    void completed(List& kept) noexcept {
        const std::lock_guard lock{mutex_};
        operations_.splice(operations_.end(), kept);
        if (--completing_ == 0) quiet_.notify_all();
    }

    void end() noexcept {
        List left;
        {
            std::unique_lock lock{mutex_};
            ended_ = true;
            quiet_.wait(lock, [this] { return completing_ == 0; });
            left.swap(operations_);
        }
        for (const auto& operation : left) operation->abandon();
    }

private:
    std::mutex mutex_;
    std::condition_variable quiet_;
    List operations_;
    std::size_t completing_ = 0;
    bool ended_ = false;
};

/// Holds the @ref OutsideOperations of a context.
class OutsideService final : public net::execution_context::service {
public:
    inline static net::execution_context::id id;

    explicit OutsideService(net::execution_context& context) : service(context) {}

    const std::shared_ptr<OutsideOperations>& operations() const noexcept {
        return operations_;
    }

private:
    void shutdown() override { operations_->end(); }

    const std::shared_ptr<OutsideOperations> operations_ =
        std::make_shared<OutsideOperations>();
};

/** A handler that another thread may complete at any time, also after its context has
    ended: then nothing happens, and the handler was destroyed with the context.

    Keeps its context at work.
*/
template <class Handler, class Value>
class OutsideHandler final : public OutsideOperation {
public:
    explicit OutsideHandler(Handler handler)
        : call_{std::make_shared<Call>(std::move(handler))},
          work_{net::make_work_guard(executor_of(call_->handler))} {
        net::execution_context& context = net::
            query(work_->get_executor(), net::execution::context_as<net::execution_context&>);
        operations_ = net::use_service<OutsideService>(context).operations();
    }

    OutsideHandler(const OutsideHandler&) = delete;
    OutsideHandler& operator=(const OutsideHandler&) = delete;

    auto slot() const noexcept {
        return net::get_associated_cancellation_slot(call_->handler);
    }

    /// To be called before all else, with the owner of this object.
    void enlist(std::shared_ptr<OutsideOperation> self) {
        place_ = operations_->add(std::move(self));
    }

    /// What becomes of a handler that cannot be posted.
    enum class Unposted {
        kept,    ///< It is destroyed with its context, which it no longer keeps at work.
        dropped  ///< It is destroyed with this object.
    };

    /** Posts the handler. At most once, and while somebody else owns this object too.

        @return What the executor threw. The handler was not posted then.
    */
    std::exception_ptr complete(
        Value value, Unposted unposted = Unposted::kept
    ) noexcept {
        OutsideOperations::List self;
        if (!operations_->begin_completion(place_, self)) return nullptr;
        std::exception_ptr thrown;
        try {
            call_->value.emplace(std::move(value));
            net::post(work_->get_executor(), [call = call_]() mutable {
                Call moved = std::move(*call);
                call.reset();
                std::move(moved).run();
            });
            call_.reset();
            self.clear();
        } catch (...) {
            thrown = std::current_exception();
        }
        work_.reset();
        OutsideOperations::List dropped;
        if (unposted == Unposted::dropped) dropped.swap(self);
        operations_->completed(self);
        return thrown;
    }

private:
    using Executor = net::associated_executor_t<Handler>;

    /// What is posted, and outlives a post that throws.
    struct Call {
        explicit Call(Handler h) : handler{std::move(h)} {}

        void run() && {
            auto slot = net::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) slot.clear();
            std::move(handler)(std::move(*value));
        }

        Handler handler;
        std::optional<Value> value;
    };

    void abandon() noexcept override {
        // What the handler owns may look at the operation once more.
        [[maybe_unused]] const std::shared_ptr<Call> call = std::move(call_);
        work_.reset();
    }

    std::shared_ptr<Call> call_;
    std::optional<net::executor_work_guard<Executor>> work_;
    std::shared_ptr<OutsideOperations> operations_;
    OutsideOperations::Place place_;
};

}  // namespace resilience::detail

#endif
