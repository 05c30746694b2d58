// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SQLITE_WORKER_HPP
#define RESILIENCE_SQLITE_WORKER_HPP

#include <resilience/sqlite/database.hpp>
#include <resilience/sqlite/transaction.hpp>

#include "connection.hpp"
#include "operation.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace resilience::sqlite::detail {

/// What a @ref Transaction and its worker share. Guarded by the worker's mutex.
struct TransactionState {
    TimePoint deadline;
    /// The handle was destroyed.
    bool abandoned = false;
    /// Why its operations fail, once it has ended.
    std::optional<Failure> ended;
};

/** The thread behind a @ref Database, and the queue in front of it.

    @par Thread safety
    Safe, but for what is said to be of its own thread.
*/
class Worker : public std::enable_shared_from_this<Worker> {
public:
    Worker(net::any_io_executor executor, DatabaseOptions options);
    ~Worker();

    /// Starts the thread.
    void start();
    /// Interrupts, refuses what waits, joins the thread.
    void shut_down();

    /// Queues `work`, which runs on the worker's thread, or refuses it.
    template <class T>
    void submit(
        Handler<T> handler,
        typename TypedOperation<T>::Work work,
        TransactionPointer transaction = nullptr
    ) {
        auto operation = std::make_shared<TypedOperation<T>>(
            executor_,
            std::move(handler),
            std::move(work),
            Clock::now() + options_.operation_timeout,
            std::move(transaction)
        );
        if (auto slot = operation->cancellation_slot(); slot.is_connected()) {
            slot.assign([self = weak_from_this(),
                         waiting = std::weak_ptr<Operation>(operation)](auto) {
                const auto worker = self.lock();
                const auto target = waiting.lock();
                if (worker && target) worker->cancel(target);
            });
        }
        enqueue(std::move(operation));
    }

    /// Rolls the transaction back soon.
    void abandon(const TransactionPointer& transaction);

    /// Of the worker's thread.
    Result<void> open(Operation& operation);
    Result<Rows> execute(
        Operation& operation,
        const std::string& sql,
        const std::vector<Parameter>& parameters
    );
    Result<void> run_script(Operation& operation, const std::string& sql);
    Result<Transaction> begin(Operation& operation);
    Result<void> finish(Operation& operation, bool commit);

    const net::any_io_executor& executor() const noexcept { return executor_; }
    DatabaseStats stats() const;
    std::optional<Failure> write_failure() const;

private:
    using OperationPointer = std::shared_ptr<Operation>;
    using Queue = std::deque<OperationPointer>;
    using Lock = std::unique_lock<std::mutex>;

    void enqueue(OperationPointer operation);
    void cancel(const OperationPointer& operation);

    void run();
    void expire(TimePoint now);
    void perform(Lock& lock, Queue& queue);
    void wait(Lock& lock);
    void end_transaction(Failure reason);
    void end_if_rolled_back(const Failure& cause);
    template <class T>
    void note(const Result<T>& result);
    static void refuse_all(Queue& queue, const Failure& failure);

    const net::any_io_executor executor_;
    const DatabaseOptions options_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    // What waits while no transaction is open, and what belongs to the open one.
    Queue queue_;
    Queue transaction_queue_;
    TransactionPointer transaction_;
    OperationPointer running_;
    DatabaseStats stats_;
    // Changed by the worker's thread alone.
    std::optional<Failure> write_failure_;

    // Of the worker's thread.
    Connection connection_;
    std::thread thread_;
};

}  // namespace resilience::sqlite::detail

#endif
