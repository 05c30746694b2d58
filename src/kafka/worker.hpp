// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_WORKER_HPP
#define RESILIENCE_SRC_KAFKA_WORKER_HPP

#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace resilience::kafka::detail {

namespace net = boost::asio;

/** Keeps the threads of workers that are gone until their last job has ended, and joins
    all of them, those of living workers too, when the execution context is destroyed:
   what a job hands to the context at its end is never too late. */
class WorkerJoiner final : public net::execution_context::service {
public:
    static net::execution_context::id id;

    explicit WorkerJoiner(net::execution_context& context) : service(context) {}

    void enroll(net::thread_pool& thread);
    void adopt(std::unique_ptr<net::thread_pool> thread);

private:
    struct Leaving {
        std::unique_ptr<net::thread_pool> thread;
        std::shared_ptr<std::atomic<bool>> ended;
    };

    void shutdown() override;

    std::mutex mutex_;
    std::set<net::thread_pool*> working_;
    std::list<Leaving> leaving_;
    bool shut_down_ = false;
};

/** One thread for calls that block, made when it is first needed.

    Jobs run in their order, all of them: the destructor does not wait for them.
*/
class Worker {
public:
    explicit Worker(net::execution_context& context)
        : joiner_(net::use_service<WorkerJoiner>(context)) {}

    ~Worker() {
        if (thread_) joiner_.adopt(std::move(thread_));
    }

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// If it throws, the job is destroyed and nothing else has happened.
    template <class Job>
    void post(Job job) {
        if (!thread_) {
            auto thread = std::make_unique<net::thread_pool>(1);
            joiner_.enroll(*thread);
            thread_ = std::move(thread);
        }
        net::post(*thread_, std::move(job));
    }

    /// Destroys `last` on the thread, or here where there is no memory for that.
    template <class Last>
    void destroy(Last last) noexcept {
        try {
            post([last = std::move(last)]() mutable { auto gone = std::move(last); });
        } catch (...) {
            // It went with the job.
        }
    }

private:
    WorkerJoiner& joiner_;
    std::unique_ptr<net::thread_pool> thread_;
};

}  // namespace resilience::kafka::detail

#endif
