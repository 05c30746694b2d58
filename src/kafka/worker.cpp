// SPDX-License-Identifier: MIT
#include "kafka/worker.hpp"

namespace resilience::kafka::detail {

net::execution_context::id WorkerJoiner::id;

void WorkerJoiner::enroll(net::thread_pool& thread) {
    const std::lock_guard lock(mutex_);
    working_.insert(&thread);
}

void WorkerJoiner::adopt(std::unique_ptr<net::thread_pool> thread) {
    auto ended = std::make_shared<std::atomic<bool>>(false);
    net::post(*thread, [ended] { ended->store(true); });
    {
        const std::lock_guard lock(mutex_);
        working_.erase(thread.get());
        leaving_.remove_if([](const Leaving& one) { return one.ended->load(); });
        if (!shut_down_) {
            leaving_.push_back({std::move(thread), std::move(ended)});
            return;
        }
    }
    thread->join();
}

void WorkerJoiner::shutdown() {
    std::set<net::thread_pool*> working;
    std::list<Leaving> leaving;
    {
        const std::lock_guard lock(mutex_);
        shut_down_ = true;
        working.swap(working_);
        leaving.swap(leaving_);
    }
    for (auto* thread : working) thread->join();
    for (auto& one : leaving) one.thread->join();
}

}  // namespace resilience::kafka::detail
