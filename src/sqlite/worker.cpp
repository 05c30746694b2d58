// SPDX-License-Identifier: MIT
#include "worker.hpp"

#include <algorithm>
#include <utility>

namespace resilience::sqlite::detail {
namespace {

Failure ended(const char* how) { return fail(Errc::closed, how); }

// Failures that SQLite undoes alone, so that the transaction can go on.
bool is_of_one_statement(const Failure& failure) {
    return failure == Errc::already_exists || failure == Errc::invalid_request;
}

}  // namespace

Worker::Worker(net::any_io_executor executor, DatabaseOptions options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      connection_(options_) {}

Worker::~Worker() = default;

void Worker::start() {
    thread_ = std::thread([this] { run(); });
}

void Worker::shut_down() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        if (running_) running_->interrupt.trip(Errc::closed);
        wake_.notify_all();
    }
    thread_.join();
}

DatabaseStats Worker::stats() const {
    const std::lock_guard lock(mutex_);
    auto copy = stats_;
    copy.queued = queue_.size() + transaction_queue_.size();
    return copy;
}

std::optional<Failure> Worker::write_failure() const {
    const std::lock_guard lock(mutex_);
    return write_failure_;
}

void Worker::enqueue(OperationPointer operation) {
    std::optional<Failure> refusal;
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            refusal = fail(Errc::closed);
        } else if (operation->transaction && operation->transaction->ended) {
            refusal = operation->transaction->ended;
        } else if (queue_.size() + transaction_queue_.size() >= options_.queue_limit) {
            ++stats_.refused;
            refusal = fail(Errc::queue_full);
        } else {
            (operation->transaction ? transaction_queue_ : queue_).push_back(operation);
            wake_.notify_all();
        }
    }
    if (refusal) operation->refuse(std::move(*refusal));
}

void Worker::cancel(const OperationPointer& operation) {
    bool waited = false;
    {
        const std::lock_guard lock(mutex_);
        operation->interrupt.trip(Errc::cancelled);
        for (auto* queue : {&queue_, &transaction_queue_}) {
            waited = waited || std::erase(*queue, operation) > 0;
        }
    }
    if (waited) operation->refuse(fail(Errc::cancelled));
}

void Worker::abandon(const TransactionPointer& transaction) {
    const std::lock_guard lock(mutex_);
    transaction->abandoned = true;
    wake_.notify_all();
}

void Worker::run() {
    Lock lock(mutex_);
    while (!stopping_) {
        const auto now = Clock::now();
        expire(now);
        if (transaction_ && transaction_->abandoned) {
            end_transaction(ended("the transaction was abandoned"));
        } else if (transaction_ && now >= transaction_->deadline) {
            ++stats_.overdue_transactions;
            end_transaction(fail(Errc::timed_out, "the transaction was open for too long")
            );
        } else if (auto& queue = transaction_ ? transaction_queue_ : queue_;
                   !queue.empty()) {
            perform(lock, queue);
        } else {
            wait(lock);
        }
    }
    if (transaction_) end_transaction(fail(Errc::closed));
    refuse_all(queue_, fail(Errc::closed));
}

// Operations have one timeout, so those that came first are those that end first.
void Worker::expire(TimePoint now) {
    for (auto* queue : {&queue_, &transaction_queue_}) {
        while (!queue->empty() && queue->front()->deadline <= now) {
            ++stats_.expired;
            queue->front()->refuse(
                fail(Errc::timed_out, "the operation waited for its turn")
            );
            queue->pop_front();
        }
    }
}

void Worker::perform(Lock& lock, Queue& queue) {
    running_ = std::move(queue.front());
    queue.pop_front();
    ++stats_.performed;
    if (transaction_) running_->interrupt.shorten(transaction_->deadline);
    auto& operation = *running_;
    lock.unlock();
    operation.perform();
    lock.lock();
    running_.reset();
}

void Worker::wait(Lock& lock) {
    auto until = TimePoint::max();
    for (const auto* queue : {&queue_, &transaction_queue_}) {
        if (!queue->empty()) until = std::min(until, queue->front()->deadline);
    }
    if (transaction_) until = std::min(until, transaction_->deadline);
    if (until == TimePoint::max()) {
        wake_.wait(lock);
    } else {
        wake_.wait_until(lock, until);
    }
}

void Worker::refuse_all(Queue& queue, const Failure& failure) {
    for (const auto& operation : queue) operation->refuse(failure);
    queue.clear();
}

// Called with the mutex held; a roll-back is short and nobody but submitters waits.
void Worker::end_transaction(Failure reason) {
    connection_.rollback();
    transaction_->ended = std::move(reason);
    refuse_all(transaction_queue_, *transaction_->ended);
    transaction_.reset();
}

// Remembers whether the storage takes what is written.
template <class T>
void Worker::note(const Result<T>& result) {
    const bool committed = connection_.has_committed();
    const bool failed = !result && (result.error() == Errc::storage_full ||
                                    result.error() == Errc::unavailable);
    if (!failed && !(result && committed && write_failure_)) return;
    const std::lock_guard lock(mutex_);
    write_failure_.reset();
    if (failed) write_failure_ = result.error();
}

Result<void> Worker::open(Operation& operation) {
    return connection_.open(operation.interrupt);
}

Result<Rows> Worker::execute(
    Operation& operation, const std::string& sql, const std::vector<Parameter>& parameters
) {
    auto rows = connection_.execute(sql, parameters, operation.interrupt);
    note(rows);
    if (operation.transaction) {
        if (!rows && !is_of_one_statement(rows.error())) connection_.rollback();
        end_if_rolled_back(
            rows ? ended("the transaction was ended by a command") : rows.error()
        );
    } else if (connection_.in_transaction()) {
        connection_.rollback();
        return fail(Errc::invalid_request, "a command began a transaction");
    }
    return rows;
}

Result<void> Worker::run_script(Operation& operation, const std::string& sql) {
    if (operation.transaction) {
        auto done = connection_.run_script(sql, operation.interrupt);
        note(done);
        // Commands before the one that failed had their effect.
        if (!done) connection_.rollback();
        end_if_rolled_back(
            done ? ended("the transaction was ended by a command") : done.error()
        );
        return done;
    }
    auto done = connection_.run_script("BEGIN IMMEDIATE", operation.interrupt);
    if (done) done = connection_.run_script(sql, operation.interrupt);
    if (done) done = connection_.run_script("COMMIT", operation.interrupt);
    connection_.rollback();
    note(done);
    return done;
}

void Worker::end_if_rolled_back(const Failure& cause) {
    if (connection_.in_transaction()) return;
    const std::lock_guard lock(mutex_);
    end_transaction(fail(
        cause == Errc::timed_out ? Errc::timed_out : Errc::closed,
        "the transaction was rolled back: " + cause.message()
    ));
}

Result<Transaction> Worker::begin(Operation& operation) {
    auto begun = connection_.run_script("BEGIN IMMEDIATE", operation.interrupt);
    note(begun);
    if (!begun) return begun.error();
    auto state = std::make_shared<TransactionState>();
    state->deadline = Clock::now() + options_.transaction_timeout;
    const std::lock_guard lock(mutex_);
    transaction_ = state;
    return Transaction(shared_from_this(), std::move(state));
}

Result<void> Worker::finish(Operation& operation, bool commit) {
    auto done =
        commit ? connection_.run_script("COMMIT", operation.interrupt) : Result<void>{};
    if (commit) note(done);
    const std::lock_guard lock(mutex_);
    end_transaction(ended("the transaction has ended"));
    return done;
}

}  // namespace resilience::sqlite::detail
