// SPDX-License-Identifier: MIT
#include "cancel_service.hpp"

#include <array>
#include <utility>

namespace resilience::postgres {

boost::asio::execution_context::id CancelService::id;

CancelService::CancelService(boost::asio::execution_context& context)
    : boost::asio::execution_context::service(context) {}

CancelService::~CancelService() { CancelService::shutdown(); }

bool CancelService::send(CancelPtr cancel, std::function<void()> done) {
    const std::lock_guard lock{mutex_};
    if (stopping_ || requests_.size() >= capacity) return false;
    requests_.push_back({std::move(cancel), std::move(done)});
    if (!thread_.joinable()) thread_ = std::thread{[this] { work(); }};
    changed_.notify_one();
    return true;
}

void CancelService::shutdown() {
    std::deque<Request> abandoned;
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        abandoned.swap(requests_);
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void CancelService::work() {
    std::unique_lock lock{mutex_};
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
        if (stopping_) return;
        auto request = std::move(requests_.front());
        requests_.pop_front();
        lock.unlock();
        // Whether it was heard shows on the connection itself: the statement ends or not.
        std::array<char, 256> text{};
        PQcancel(request.cancel.get(), text.data(), static_cast<int>(text.size()));
        request.done();
        request = {};
        lock.lock();
    }
}

}  // namespace resilience::postgres
