// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_WORKER_POOL_ACCESS_HPP
#define RESILIENCE_DETAIL_WORKER_POOL_ACCESS_HPP

#include <resilience/worker_pool.hpp>

#include <resilience/detail/task_queue.hpp>

#include <memory>

namespace resilience::detail {

/// Lets the shells wait for space in their own way.
struct WorkerPoolAccess {
    template <class Observer, class Now>
    static const std::shared_ptr<TaskQueue>& queue(const WorkerPool<Observer, Now>& pool
    ) noexcept {
        return pool.queue_;
    }
};

}  // namespace resilience::detail

#endif
